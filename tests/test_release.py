"""A release knows its address: PyPI links the project and each page. Other builds know none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree
from pages import ROOT

from gc_requests_auth.util.http import VERSION

REPOSITORY, TAG = "https://git.example/owner/name", "v1.2.3"
RELEASE = {"RELEASE_REPOSITORY": REPOSITORY, "RELEASE_TAG": TAG}


def built(what: str, source: Path, into: Path, variables: dict[str, str]) -> Path:
    """What a hook of the build backend makes of the source: metadata, or an sdist."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RELEASE_")}
    into.mkdir()
    hook = f"from setuptools import build_meta; print(); print(build_meta.{what}({str(into)!r}))"
    said = subprocess.run(
        [sys.executable, "-c", hook],
        cwd=source,
        env={**environ, **variables},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return into / said.splitlines()[-1]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a build reads, since a build writes into its source."""
    copy = tmp_path_factory.mktemp("source") / "copy"
    shutil.copytree(
        ROOT / "gc_requests_auth",
        copy / "gc_requests_auth",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("setup.py", "setup.cfg", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


def metadata(source: Path, into: Path, variables: dict[str, str]) -> Message:
    """The metadata of a wheel that is built from the source with these variables."""
    folder = built("prepare_metadata_for_build_wheel", source, into, variables)
    return message_from_bytes((folder / "METADATA").read_bytes())


def description(of: Message) -> str:
    payload = of.get_payload()
    assert isinstance(payload, str)
    return payload


@pytest.fixture(scope="module")
def release(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Message:
    """The metadata that PyPI shows: of a wheel from the sdist of a release."""
    place = tmp_path_factory.mktemp("release")
    sdist = built("build_sdist", source, place / "sdist", RELEASE)
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    return metadata(place / sdist.name.removesuffix(".tar.gz"), place / "wheel", RELEASE)


def test_a_release_has_the_addresses_of_the_project(release: Message) -> None:
    assert release.get_all("Project-URL") == [
        f"Source, {REPOSITORY}",
        f"Documentation, {REPOSITORY}/tree/{TAG}/docs",
        f"Changes, {REPOSITORY}/blob/{TAG}/CHANGES.rst",
        f"Issues, {REPOSITORY}/issues",
    ]


def test_every_file_that_the_description_of_a_release_names_is_a_link_to_that_file(
    release: Message,
) -> None:
    strict = {"halt_level": 2, "report_level": 5}  # a warning ends it, as on PyPI
    tree = publish_doctree(description(release), settings_overrides=strict)
    references = list(tree.findall(nodes.reference))
    links = {one.astext(): one["refuri"] for one in references}
    for one in references:
        one.clear()
    rest = tree.astext()
    named = set(re.findall(r"``([\w./-]+\.rst)``", (ROOT / "README.rst").read_text()))

    assert links == {name: f"{REPOSITORY}/blob/{TAG}/{name}" for name in named}
    assert len(links) > 20
    assert all((ROOT / name).is_file() for name in links)
    # The reader makes this file.
    assert set(re.findall(r"[\w/-]+\.(?:rst|md|svg|py)\b", rest)) == {"list_queues.py"}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"RELEASE_REPOSITORY": REPOSITORY},
        {"RELEASE_TAG": TAG},
        {"RELEASE_REPOSITORY": "", "RELEASE_TAG": ""},
        {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "somebody/else"},
    ],
)
def test_another_build_has_no_address(
    variables: dict[str, str], source: Path, tmp_path: Path
) -> None:
    said = metadata(source, tmp_path / "wheel", variables)

    assert said.get_all("Project-URL") is None
    assert description(said).strip() == (ROOT / "README.rst").read_text().strip()


def test_the_workflow_of_a_release_says_where_and_what_it_is() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    steps = workflow["jobs"]["build"]["steps"]
    (build,) = [one for one in steps if "tox run -e dist" in one.get("run", "")]
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")

    assert build["env"] == {
        "RELEASE_REPOSITORY": "${{ github.server_url }}/${{ github.repository }}",
        "RELEASE_TAG": "${{ github.ref_name }}",
    }
    assert tox["testenv:dist"]["pass_env"].split() == list(build["env"])


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("README.rst", "not on PyPI yet"),
        ("docs/httpie.rst", "once the library is on"),
        ("CHANGES.rst", f"{VERSION.partition('.dev')[0]} (unreleased)"),
    ],
)
def test_a_release_does_not_say_that_it_is_none(page: str, sentence: str) -> None:
    assert "dev" in VERSION or sentence not in (ROOT / page).read_text()
