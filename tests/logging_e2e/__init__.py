"""The promises about logging, end to end: a real server, real requests, and every record counted."""
