"""Its application is a text; another name would do."""

application = "not an application"


def served(environ, start_response):
    start_response("200 OK", [])
    return []
