"""A module of an application's, with a namer."""


def namer(name: str) -> str:
    """Where a rotated file goes."""
    return f"{name}.old"
