"""``python -m gc_requests_auth``: the command, where its script is not on the PATH."""

from __future__ import annotations

import sys

from .commands.main import main

sys.exit(main())
