"""Why something fails: one table of failures, what may cause each of them, and what to do.

The errors of the sign-in, the log, ``gc-requests-auth check``, `gc_requests_auth.explain` and the page
``docs/answers.rst`` take their words from this table, and have no words of their own for a cause. The
wing promises that a single cause is certain, that of several causes the likeliest comes first, and that
no text holds a secret. The wing sends nothing, and does not know who asks. Its modules are for the other
wings as they are, since only a failure needs them::

    failure      what a row holds, and how a row becomes the words of a message
    network      rows: no answer came, another answered, or the service is down
    sign_in      rows: answers of the login service
    calls        rows: answers of the API to a request
    examination  an answer, taken apart, and its row
    exception    an exception in place of an answer, and its row
"""

__all__ = [
    "calls",
    "examination",
    "exception",
    "failure",
    "network",
    "sign_in",
]
