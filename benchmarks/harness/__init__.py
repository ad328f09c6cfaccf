"""What every benchmark shares: servers, loads, data, and how figures are kept and shown."""
