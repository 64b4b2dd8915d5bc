"""It does not parse."""


def application(environ, start_response:
    return []
