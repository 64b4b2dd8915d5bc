"""What configuration files, hooks and logger classes written for gunicorn meet here: objects of the same shape.

The stand-in for the module ``gunicorn`` that such files import, the views that hooks are given, the logger that
people's classes derive from. Nothing here supervises, serves or parses.
"""
