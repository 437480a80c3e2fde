"""One resource of another hospital as our FHIR server takes it: nothing of it changed needlessly.

References are rewritten to the ids here; what FHIR forbids and a server would refuse the whole
resource for is left out or kept as text. Each repair is flagged. The result shares texts with the
original (a scan of 30 MB isn't copied); the original is left as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from mappings.received.flags import Flags
from mappings.received.ids import Named, Names
from mappings.received.parse import FORBIDDEN_CHARACTERS
from mappings.resources import Resource, as_list
from mappings.systems import (
    SECURITY_ARTEFACT,
    STATED_SOURCE,
    TAG,
    TAG_HI_TYPE,
    UNRESOLVED_REFERENCE,
)

# Set by the server that stores a resource; the sender's own have no meaning here.
_OF_THE_SERVER: Final = ("versionId", "lastUpdated")
_OUR_LABELS: Final = frozenset({TAG, TAG_HI_TYPE, SECURITY_ARTEFACT})
# Marks a resource that isn't whole; a server refuses to store one, or takes it for an outline.
_SUBSETTED: Final = "SUBSETTED"
_LOCAL_BINARY = re.compile(r"/?Binary/[^/]+(/_history/[^/]+)?\Z")
_MOST_DIGITS: Final = 1 << 63


@dataclass(frozen=True)
class Reader:
    """What reading one resource needs: its part, the names of all, and where findings go.

    `forbidden`: texts may hold characters that FHIR forbids.
    """

    named: Named
    names: Names
    flags: Flags
    forbidden: bool

    def add(self, code: str, path: str, words: str) -> None:
        """Note a finding at an element of this resource."""
        self.flags.add(code, f"{self.named.part.place}: {path} {words}")


def repaired(reader: Reader) -> Resource:
    """The resource under its id here, with its references rewritten and its labels checked."""
    kind = reader.named.part.kind
    original = reader.named.part.resource
    resource: Resource = {"resourceType": kind, "id": reader.named.new_id}
    meta = _meta(original.get("meta"), reader)
    if meta:
        resource["meta"] = meta
    rest = {k: v for k, v in original.items() if k not in ("resourceType", "id", "meta")}
    found = _object(rest, kind, reader)
    resource.update(found)
    _check_narrative(resource, kind, reader)
    return resource


def _meta(meta: Any, reader: Reader) -> dict[str, Any]:
    if not isinstance(meta, dict):
        if meta:
            reader.add("invalid-value", "meta", "isn't an object; it was left out.")
        return {}
    found = _object({k: v for k, v in meta.items() if k not in _OF_THE_SERVER}, "meta", reader)
    source = found.pop("source", None)
    if isinstance(source, str):
        reader.add("foreign-source", "meta.source", "names another source; it is kept beside ours.")
        stated = {"url": STATED_SOURCE, "valueUri": source}
        found["extension"] = [*as_list(found.get("extension")), stated]
    for name in ("tag", "security"):
        labels = [c for c in as_list(found.get(name)) if isinstance(c, dict)]
        # HAPI fails on a label without a code.
        kept = [c for c in labels if c.get("code") and not _is_ours(c)]
        if len(kept) < len(labels):
            words = "has a label that isn't the sender's to give; it was taken off."
            reader.add("foreign-label", f"meta.{name}", words)
        found.pop(name, None)
        if kept:
            found[name] = kept
    return found


def _is_ours(label: dict[str, Any]) -> bool:
    return label.get("system") in _OUR_LABELS or label.get("code") == _SUBSETTED


def _object(value: dict[str, Any], path: str, reader: Reader) -> dict[str, Any]:
    found = {}
    for name, inner in value.items():
        twin = name[1:] if name.startswith("_") else f"_{name}"
        place = f"{path}.{safe_name(name)}"
        if isinstance(inner, list):
            kept: Any = _list(inner, place, reader, paired=isinstance(value.get(twin), list))
        else:
            kept = _value(inner, place, reader)
        if kept is None:
            if inner is not None or twin not in value:
                reader.add("empty-value", place, "is empty and was left out.")
        else:
            found[name] = kept
    if isinstance(found.get("reference"), str):
        return _reference(found, path, reader)
    if isinstance(found.get("url"), str):
        return _link(found, path, reader)
    return found


def _list(values: list[Any], path: str, reader: Reader, *, paired: bool) -> list[Any] | None:
    """The list without empty values; one of a pair (`given`, `_given`) keeps its places."""
    kept = [_value(each, path, reader) for each in values]
    if any(each is not None for each in kept):
        if paired:
            return kept
        full = [each for each in kept if each is not None]
        if len(full) < len(kept):
            reader.add("empty-value", path, "has an empty value, which was left out.")
        return full
    return None


def _value(value: Any, path: str, reader: Reader) -> Any:
    """The value as it is stored; None if it says nothing."""
    if isinstance(value, str):
        if reader.forbidden and FORBIDDEN_CHARACTERS.search(value):
            reader.add("invalid-value", path, "has characters that FHIR forbids; replaced by �.")
            value = FORBIDDEN_CHARACTERS.sub("�", value)
        return value if value.strip() else None
    if isinstance(value, dict):
        return _object(value, path, reader) or None
    if isinstance(value, list):
        # A list in a list is no FHIR; a server's parser passes over it.
        return _list(value, path, reader, paired=False)
    if isinstance(value, int | float) and not -_MOST_DIGITS < value < _MOST_DIGITS:
        reader.add("invalid-value", path, "is a number beyond any use; it was left out.")
        return None
    return value


def _reference(value: dict[str, Any], path: str, reader: Reader) -> dict[str, Any]:
    stated = value["reference"]
    if stated.startswith("#"):
        return value
    found = reader.names.find(stated, reader.named.part)
    if found is not None:
        return {**value, "reference": found.key}
    reader.add("unresolved-reference", path, "leads to nothing in the document; kept as text.")
    return as_text(value, stated)


def as_text(reference: dict[str, Any], stated: str) -> dict[str, Any]:
    """A Reference that leads nowhere: what it stated becomes its identifier, or an extension where
    it has one, so that the FHIR server makes no placeholder for it and refuses nothing."""
    kept = {k: v for k, v in reference.items() if k not in ("reference", "_reference")}
    if "identifier" not in kept:
        kept["identifier"] = {"system": UNRESOLVED_REFERENCE, "value": stated}
    else:
        told = {"url": UNRESOLVED_REFERENCE, "valueString": stated}
        kept["extension"] = [*as_list(kept.get("extension")), told]
    return kept


def _link(value: dict[str, Any], path: str, reader: Reader) -> dict[str, Any]:
    """An Attachment's url: a Binary of the document, by its name here. One that isn't there would
    be looked for among our own; it is kept as text."""
    stated = value["url"]
    found = reader.names.find(stated, reader.named.part)
    if found is not None and found.part.kind == "Binary":
        return {**value, "url": found.key}
    if not _LOCAL_BINARY.match(stated):
        return value
    reader.add("unresolved-reference", f"{path}.url", "leads to no file of the document.")
    kept = {k: v for k, v in value.items() if k != "url"}
    told = {"url": UNRESOLVED_REFERENCE, "valueString": stated}
    kept["_url"] = {"extension": [told]}
    return kept


def _check_narrative(resource: Resource, path: str, reader: Reader) -> None:
    text = resource.get("text")
    if text is None:
        return
    if not isinstance(text, dict) or not text.get("div"):
        reader.add("empty-narrative", f"{path}.text", "says nothing and was left out.")
        del resource["text"]


_NAME = re.compile(r"_?[a-z][A-Za-z0-9]{0,63}\Z")


def safe_name(name: str) -> str:
    """A property's name for a sentence; one that can be no FHIR element could hold anything."""
    return name if _NAME.match(name) else "(unnamed)"
