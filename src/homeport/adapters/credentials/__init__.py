"""What identity providers share that keep passwords and sign access tokens themselves."""
