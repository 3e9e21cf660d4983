"""The wing that every other wing imports from.

``secret`` promises that a secret is in no `repr`, log, pickle or printed frame. ``clock`` tells time as
it is told now, frozen or not. ``forks`` says which process this is and runs threads that a fork waits
for. ``bodies`` reads an answer within a size and a time, and says whether a body can be sent again.
``http`` reads headers. ``proxies`` says what the environment says of proxies, as requests does.

None of them knows what a token or a region is. Of Genesys Cloud the wing knows the names of the
headers and fields by which its answers are recognised.
"""
