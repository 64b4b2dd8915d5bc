"""What log files tell about the server that wrote them.

`audit` (pure), and how files are read. Not here: what a record is (:mod:`logserve.logs`), nor the command
line (:mod:`logserve.cli.logs`).
"""
