"""Test suites that nobody here wrote, run with our Session in place of theirs: ``python -m foreign``.

The suites of requests and of libraries around it come from the source distributions on PyPI; nothing
of theirs is kept in this repository. Each suite runs as it is and with a `GenesysCloudSession` in place of
`requests.Session`. What passes as it is and fails with ours must stand in ``expected.toml``, with the
reason; the rest is in `.github/CONTRIBUTING.rst`.

========================  ==================================================================
`suites`                  which suites, of which versions
`modes`                   under which conditions each suite runs
`fetch`                   downloads and unpacks the suites
`run`                     runs one suite in one mode, in a process of its own
`plugin`                  is loaded into that process by pytest and changes it as the mode says
`loopback`                bars that process from the network
`swap`                    puts our Session in place of `requests.Session`
`front`                   is the server of a suite as ``api_url``, with a token endpoint
`verdict`                 compares the results with each other and with ``expected.toml``
`report`                  says what was found
========================  ==================================================================
"""
