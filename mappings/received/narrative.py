"""Is a narrative's `div` XHTML, and if not, what does it say.

HAPI refuses a whole resource whose narrative isn't well-formed, and hospitals send HTML as browsers
take it. Nothing here makes it safe to show: that is for whoever shows it.
"""

from __future__ import annotations

import html
import re
from html.entities import name2codepoint
from typing import Any, Final
from xml.parsers import expat

_XHTML: Final = "http://www.w3.org/1999/xhtml"
# HTML's named characters, which FHIR allows in narratives and XML doesn't know.
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*);")
_MARKUP = re.compile(r"<[^<>]*>")
# What stands between these isn't for readers. Looked for one after the other: a single pattern for
# both would take hours on a megabyte of opening tags.
_CODE = re.compile(r"<(script|style)\b", re.IGNORECASE)
_CODE_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}
_MOST_DEPTH: Final = 100


class _NotXhtml(Exception):
    """The text isn't a `div` of well-formed XHTML."""


def is_xhtml(div: str) -> bool:
    """True for one well-formed `div`, without DOCTYPE and not nested beyond reason."""
    depth = 0

    def start(name: str, _attributes: Any) -> None:
        nonlocal depth
        if (depth == 0 and name.rpartition(" ")[2] != "div") or depth > _MOST_DEPTH:
            raise _NotXhtml
        depth += 1

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_details: Any) -> None:
        # A DOCTYPE may define entities that grow without end.
        raise _NotXhtml

    if not div.lstrip().startswith("<div"):
        return False
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(_ENTITY.sub(_character, div.strip()), True)
    except (_NotXhtml, expat.ExpatError):
        return False
    return True


def plain_text(div: str) -> str:
    """What broken markup says, without it; "" if it says nothing."""
    pieces, at = [], 0
    while start := _CODE.search(div, at):
        pieces.append(div[at : start.start()])
        end = _CODE_ENDS[start[1].lower()].search(div, start.end())
        at = end.start() if end else len(div)
    pieces.append(div[at:])
    return " ".join(html.unescape(_MARKUP.sub(" ", " ".join(pieces))).split())


def as_xhtml(text: str) -> str:
    """A text as a narrative's `div`."""
    return f'<div xmlns="{_XHTML}">{html.escape(text, quote=False)}</div>'


def says_something(div: str) -> bool:
    """True if a person would see anything: words or a picture."""
    return bool(plain_text(div)) or "<img" in div


def _character(match: re.Match[str]) -> str:
    code = name2codepoint.get(match[1])
    return match[0] if code is None else chr(code)
