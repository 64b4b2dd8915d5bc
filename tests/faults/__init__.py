"""The fault harness: a numbered stream of requests, faults while it runs, and the books that are compared.

Here lives what causes accidents, and what judges the logs by what clients and application noted themselves.
Single accidents (a kill at one line, a full disk, a hung handler) live in the suites of what they hit.

    stream    client processes, each with a book of its own (book)
    scene     the server, its disks and pipes, and the mischievous clients (mischief)
    faults    the one table of what can go wrong
    run       one run: the plan from a seed, the faults one after the other, the end
    evidence  what it left: the books, the logs, and when which fault came
    check     the books against the logs, by the rules of what a record may say (rules)
    verdict   what that comes to, and how it is told (table)

``python -m tests.faults --help`` runs it by hand.
"""
