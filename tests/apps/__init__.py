"""Small WSGI applications that the tests serve; each does one thing that a test looks at from outside."""
