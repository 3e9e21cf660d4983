"""``gc-requests-auth check``: why a request is refused, and which region a client belongs to.

``check`` does what a request does, step by step, with the library's own settings, token request and
table of causes. The first step that fails names the cause and the remedy. It sends nothing that the user
did not ask for: one token request, three questions to the API, and the user's own call.
"""
