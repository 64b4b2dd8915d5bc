"""Formatters for any ``dictConfig``, inside the server or not; none of them raises or writes a torn line."""
