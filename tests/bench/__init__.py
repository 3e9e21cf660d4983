"""What the library costs, beside its neighbours: ``python -m bench``, with ``tests`` on the path.

No test: what it measures depends on the machine. `tests/test_bench.py` sees to it that it runs, and
that the counts, which do not depend on it, are right.
"""
