"""End to end: a real server, real sockets, real signals; each suite against every worker type."""
