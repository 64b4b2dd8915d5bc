"""The audit of log files."""
