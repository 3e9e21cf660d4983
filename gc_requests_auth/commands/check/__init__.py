"""Why a request is refused: the walk of ``gc-requests-auth check``, and the search for the region.

The rooms, each importing only from rooms before it::

    report        what a step found, and how it is said
    bounded       no step hangs
    certificates  who signed what a server shows
    origins       where each setting came from, and what was found and not used
    route         the proxy, the CA bundle and the netrc file on the way to a host
    causes        what a failure may come from, in order, and what to do about each
    network       names, certificates, clocks, and one request
    api           what the API says of the token
    walk          the steps
    find_region   which region's login service accepts the client
    command       what is printed, and the exit status

None of them signs in by itself: credentials are read by ``credentials``, the token is asked for by
``login``, as for any request.
"""
