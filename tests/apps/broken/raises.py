"""It raises when it is imported."""


def prepare():
    raise LookupError("the database is not there")


prepare()
