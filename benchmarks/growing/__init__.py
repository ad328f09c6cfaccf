"""What grows, one module each."""
