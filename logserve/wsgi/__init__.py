"""The application's side of a request, PEP 3333: importing it, its environ, its input, its response.

Nothing here opens or reads a socket; bytes go out through a :class:`~logserve.wsgi.response.Transport`.
"""
