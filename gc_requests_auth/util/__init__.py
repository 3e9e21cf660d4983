"""The wing that every other wing imports from.

``secret`` promises that a secret is in no `repr`, log, pickle or printed frame. ``clock`` reads the clocks
at each call, so tests can freeze them. ``forks`` says which process this is and runs threads that a fork
waits for. ``bodies`` reads an answer within a size and a time, and says whether a body can be sent again.
``http`` reads headers. ``proxies`` says what the environment says of proxies, as requests does.

None of them knows a region, or how a token is got. ``bodies`` boxes each field whose name ends in "token",
and ``secret`` keeps the function that gives the credentials (`Vault`). Of Genesys Cloud the wing knows the
names of the headers and fields by which its answers are recognised.
"""
