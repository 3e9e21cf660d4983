"""The command ``gc-requests-auth``, and ``check``, which tests each step of a request.

The command is a thin layer: it reads options, calls the library, and prints. Whatever a command does, a
program can do with the public names. The command promises exit statuses that are the same for all
commands, lines of plain ASCII within 79 columns, and that no secret is an option or is printed. Only
``token`` prints a token, since that is what it is for.

All other wings are above this wing in the table of docs/architecture.rst, and none of them imports this
wing. The demo imports the sandbox.
"""

__all__ = [
    "main",
]
