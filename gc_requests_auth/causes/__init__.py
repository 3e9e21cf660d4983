"""Why something fails: one table of failures, what may cause each of them, and what to do.

The errors of the sign-in, the logs, ``gc-requests-auth check``, `gc_requests_auth.explain` and the page
``docs/answers.rst`` take their words from here; none of them has words of its own for a cause::

    failure      what a row of the table is, and how a row is told
    network      no answer came: names, connections, TLS, proxies
    sign_in      answers of the login service
    service      limits, a service that is down, and whoever answers in its place
    calls        answers of the API to a request
    table        all rows, and the search for the row of an answer
    exception    which row an exception of requests is
    examination  which row an answer is, and what is known of this one
"""
