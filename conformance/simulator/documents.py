"""Makes a received FHIR document readable: titles, sections, narrative reduced to safe markup.

What came from outside is never trusted: only a few tags without attributes survive, all text is
escaped. A document that cannot be understood is shown as the text it is.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

from markupsafe import Markup, escape

ALLOWED = frozenset(
    ["p", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "pre", "blockquote"]
    + ["table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"]
    + ["b", "strong", "i", "em", "sub", "sup", "h1", "h2", "h3", "h4", "h5", "h6"]
)
VOID = frozenset({"br", "hr"})
DROPPED = frozenset({"script", "style", "template", "iframe", "object", "svg", "math", "title"})


class _Narrative(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._open: list[str] = []
        self._dropping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED:
            self._dropping.append(tag)
        elif tag in ALLOWED and not self._dropping:
            self.parts.append(f"<{tag}>")
            if tag not in VOID:
                self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID and not self._dropping:
            self.parts.append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
        elif tag in self._open:
            while self._open:
                last = self._open.pop()
                self.parts.append(f"</{last}>")
                if last == tag:
                    break

    def handle_data(self, data: str) -> None:
        if not self._dropping:
            self.parts.append(str(escape(data)))

    def finished(self) -> Markup:
        self.parts += [f"</{tag}>" for tag in reversed(self._open)]
        return Markup("".join(self.parts))  # noqa: S704 - built from escaped text and known tags


def safe_narrative(div: str) -> Markup:
    """XHTML of a narrative with only harmless tags left and no attributes."""
    parser = _Narrative()
    parser.feed(div)
    parser.close()
    return parser.finished()


@dataclass(frozen=True)
class Section:
    """One section of a document."""

    title: str
    narrative: Markup
    entries: list[str]


@dataclass(frozen=True)
class Readable:
    """A document as a person reads it; `raw` is its JSON, indented."""

    title: str
    date: str
    authors: list[str]
    sections: list[Section]
    raw: str


def readable(content: bytes) -> Readable:
    """What there is to read in a received document, however malformed."""
    text = content.decode("utf-8", "replace")
    try:
        bundle = json.loads(text)
        raw = json.dumps(bundle, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return Readable("A document that is not JSON", "", [], [], text)
    resources = _resources(bundle)
    composition = next(
        (found for found in resources.values() if found.get("resourceType") == "Composition"), {}
    )
    sections = [
        _section(section, resources)
        for section in _list(composition.get("section"))
        if isinstance(section, dict)
    ]
    authors = [_display(author, resources) for author in _list(composition.get("author"))]
    return Readable(
        _text(composition.get("title")) or "A document without a title",
        _date(composition.get("date")),
        [author for author in authors if author],
        sections,
        raw,
    )


def _resources(bundle: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in _list(bundle.get("entry")) if isinstance(bundle, dict) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            relative = f"{resource.get('resourceType')}/{resource.get('id')}"
            found[_text(entry.get("fullUrl")) or relative] = resource
            found.setdefault(relative, resource)
    return found


def _section(section: dict[str, Any], resources: dict[str, dict[str, Any]]) -> Section:
    narrative = _div(section)
    entries = [_display(entry, resources) for entry in _list(section.get("entry"))]
    inner = [part for part in _list(section.get("section")) if isinstance(part, dict)]
    titles = [_text(part.get("title")) for part in inner]
    return Section(
        _text(section.get("title")) or _concept(section.get("code")) or "Section",
        narrative,
        [entry for entry in entries + titles if entry],
    )


def _div(holder: dict[str, Any]) -> Markup:
    text = holder.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    return safe_narrative(div) if isinstance(div, str) else Markup("")


def _display(reference: Any, resources: dict[str, dict[str, Any]]) -> str:
    if not isinstance(reference, dict):
        return ""
    resource = resources.get(_text(reference.get("reference")))
    return _text(reference.get("display")) or (_describe(resource) if resource else "")


def _describe(resource: dict[str, Any]) -> str:
    for member in ("code", "medicationCodeableConcept", "vaccineCode", "type", "class"):
        if label := _concept(resource.get(member)):
            return f"{resource.get('resourceType')}: {label}"
    return _text(resource.get("resourceType"))


def _concept(concept: Any) -> str:
    if not isinstance(concept, dict):
        return ""
    codings = [coding for coding in _list(concept.get("coding")) if isinstance(coding, dict)]
    labels = [concept.get("text"), *[coding.get("display") for coding in codings]]
    return next((label for label in labels if isinstance(label, str) and label), "")


def _date(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return _text(value)  # a year, a month, or whatever it is
    day = f"{moment.day} {moment:%b %Y}"
    return f"{day}, {moment:%H:%M}" if "T" in _text(value) else day


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
