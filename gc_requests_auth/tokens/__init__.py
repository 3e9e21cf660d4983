"""A living token of the client, and its rate limit.

This wing promises the others a token that the API accepts: one token request for all threads that
need one, no lock while a token lives, a renewal in the background before the token ends, and a pool
where several tokens are used side by side. A failure to get a token is a `TokenError` that names the
likely cause. The wing does not know the requests that carry a token, nor the stores that share it.
"""
