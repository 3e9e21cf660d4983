"""Everything is in setup.cfg, but for the address of the repository, which only a release knows.

The workflow of a release sets two variables: ``RELEASE_REPOSITORY``, such as
https://github.com/owner/name, and ``RELEASE_TAG``, such as v0.2.0. With both, PyPI shows links to the
project, and each file that the README names is a link to the file in that release. A build without
the variables has no address. The variables of GitHub itself are not used here: they are also set where
another project builds this one, and name the repository of the other project.
"""

import os
import re
from pathlib import Path

from setuptools import setup

repository, tag = os.environ.get("RELEASE_REPOSITORY"), os.environ.get("RELEASE_TAG")
known = {}
if repository and tag:
    files = f"{repository}/blob/{tag}"
    readme = Path(__file__).with_name("README.rst").read_text(encoding="utf-8")
    # ``docs/stores.rst`` becomes `docs/stores.rst <https://...>`__.
    known["long_description"] = re.sub(r"``([\w./-]+\.rst)``", rf"`\1 <{files}/\1>`__", readme)
    known["project_urls"] = {
        "Source": repository,
        "Documentation": f"{repository}/tree/{tag}/docs",
        "Changes": f"{files}/CHANGES.rst",
        "Issues": f"{repository}/issues",
    }

setup(**known)
