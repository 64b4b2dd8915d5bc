"""Modules that cannot be served; linters leave them alone."""
