"""How Sphinx builds the site: ``make pages``.

The reference is made from the docstrings of the package, from ``--help`` of each command and from the comments of the
C headers; nothing of it is written twice. Links to what is outside ``docs/`` lead to the pages that include it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).parent))

import c_reference
import command_reference

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "space2vec"
author = "the space2vec developers"
copyright = "2026, the space2vec developers, BSD 3-Clause"
version = release = re.search(r'S2V_VERSION "(.+)"', (ROOT / "cpp/include/space2vec/space2vec.h").read_text())[1]

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build"]
root_doc = "index"

html_theme = "furo"
html_title = f"space2vec {release}"
html_copy_source = False

#: Names that docstrings point to must be there.
nitpicky = True

autodoc_typehints = "none"  # the types are in the docstrings, with shapes and units
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

#: Pages that are a file of the repository's root, by that file.
INCLUDED = {"CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing", "SECURITY.md": "security"}


def included(page: str, text: str) -> str:
    """Return the text of a page, or of the file that it stands for, with links that lead within the site."""
    for name, of in INCLUDED.items():
        if page == f"project/{of}":
            text = re.sub(r"\]\(docs/", "](../", (ROOT / name).read_text(encoding="utf-8"))
    for name, of in INCLUDED.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(name)}", f"](/project/{of}.md", text)
    return text


def read_source(_: object, page: str, content: list[str]) -> None:
    """Fill in what other files hold."""
    text = included(page, content[0])
    text = re.sub(r"^<!-- headers -->$", lambda _: c_reference.page(), text, flags=re.MULTILINE)
    text = re.sub(r"^<!-- C\+\+ headers -->$", lambda _: c_reference.faces(), text, flags=re.MULTILINE)
    text = re.sub(r"^<!-- commands -->$", lambda _: command_reference.page(), text, flags=re.MULTILINE)
    content[0] = text


def find_by_end(app: Sphinx, env: BuildEnvironment, node: pending_xref, inside: Element) -> Element | None:
    """Resolve a name of Python by its last parts, as ``Evaluation.thresholds``, where one alone has them.

    A docstring says names as its own module has them, and is shown under the name by which users know its owner. What
    ``space2vec`` itself offers comes first.
    """
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    found = {entry.node_id: entry.docname for _, entry in domain.find_obj(env, None, None, node["reftarget"], None, 1)}
    public = f"space2vec.{node['reftarget']}"
    if public in found:
        found = {public: found[public]}
    if len(found) != 1:
        return None
    ((target, page),) = found.items()
    return make_refnode(app.builder, node["refdoc"], page, target, [inside])


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in the build."""
    app.connect("source-read", read_source)
    app.connect("missing-reference", find_by_end)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
