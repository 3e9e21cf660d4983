"""How Sphinx builds the site: ``tox -e docs``."""

from __future__ import annotations

import argparse
import os
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective

import gc_requests_auth
from gc_requests_auth.commands.options import make_parser

project = "gc_requests_auth"
author = "The gc_requests_auth maintainers"
project_copyright = author
release = version = gc_requests_auth.__version__

extensions = ["sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"{project} {release}"
# The site loads nothing from other hosts, and does not name the machine of the build.
html_show_sphinx = False
html_copy_source = False
html_last_updated_fmt = None
# A block behind a double colon holds lines for a shell, an answer or a drawing.
highlight_language = "none"
# The dark style of the theme underlines names of modules, as if they were links.
pygments_dark_style = "github-dark"
# Messages of Genesys Cloud and of the library are shown letter by letter.
smartquotes = False
# Docstrings mark names of code with single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True


class CommandHelp(SphinxDirective):
    """The help of the command and of each of its commands, from the parser itself."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx for the page."""
        os.environ["COLUMNS"] = "90"
        parser = make_parser()
        found = [parser.format_help()]
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found += [command.format_help() for command in action.choices.values()]
        return [node for text in found for node in self._section(text)]

    def _section(self, text: str) -> list[nodes.Node]:
        name = " ".join(text.removeprefix("usage: ").split(" [")[0].split()[:2])
        title = name if not name.endswith("]") else "gc-requests-auth"
        section = nodes.section(ids=[nodes.make_id(title)])
        section += nodes.title(text=title)
        section += nodes.literal_block(text, text, language="text")
        return [section]


def _link_pages(app: Sphinx, tree: nodes.document, name: str) -> None:
    """Make ``<stores.rst>``, which works where the files are read, work on the site as well."""
    for link in tree.findall(nodes.reference):
        page, suffix, _ = link.get("refuri", "").partition(".rst")
        if suffix and "/" not in page:
            if page not in app.env.found_docs:
                raise SphinxError(f"{name}: there is no page {page}")
            link["refuri"] = app.builder.get_relative_uri(name, page)


def _without_sentinel(*arguments: Any) -> tuple[str, str] | None:
    """Show ``...`` for a default that stands for "not given"."""
    signature, returns = arguments[-2:]
    return signature and (signature.replace("ABSENT", "..."), returns)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("command-help", CommandHelp)
    app.connect("doctree-resolved", _link_pages)
    app.connect("autodoc-process-signature", _without_sentinel)
