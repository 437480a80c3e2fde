"""The viewer of received documents: a page, and what is built for it from `hi-profiles`.

The package states no licence, so nothing of it is part of this project. A hospital that has settled
that with its authors builds the two files below for itself (`abdm-adapter viewer build`).
"""

from __future__ import annotations

from pathlib import Path

#: The page's template, and the sources of what is built.
SOURCES = Path(__file__).parent

SCRIPT, STYLE = "viewer.js", "viewer.css"

#: What is built, and its content type.
FILES = {SCRIPT: "text/javascript; charset=utf-8", STYLE: "text/css; charset=utf-8"}


def is_built(folder: Path) -> bool:
    """Whether VIEWER_DIR holds everything that the page needs."""
    return all((folder / name).is_file() for name in FILES)
