"""Who signs in, and where: from arguments, a profile or the environment.

It promises that an id is never taken from one place and its secret from another, that the region is
never guessed, and that no message holds a value. It reads the environment and a file, and knows
nothing of HTTP, tokens and threads.

- ``client``: the arguments of an auth, and what they come to.
- ``arguments``: what an argument or a variable can be.
- ``environment``, ``profiles``, ``gateways``: where else settings stand, and what is said of them.
- ``regions``: the table, and every way people name a row of it.
- ``hosts``: the closed list of URLs that get a token.
- ``lookup``: environment and profile read once, when they are needed.
"""
