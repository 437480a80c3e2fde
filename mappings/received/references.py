"""What a received record points to, under the names here; what leads nowhere stays as text.

A literal reference that nothing in the document answers would make the FHIR server refuse the
record, create a placeholder, or find a record of our own that happens to be called the same.
"""

from __future__ import annotations

import re
from typing import Any

from mappings.received.elements import Element
from mappings.received.reader import Reader
from mappings.resources import as_list
from mappings.systems import INVALID_VALUE, UNRESOLVED_REFERENCE

_LOCAL_BINARY = re.compile(r"/?Binary/[^/]+(/_history/[^/]+)?\Z")


def rewritten(
    reference: dict[str, Any], element: Element, path: str, reader: Reader
) -> dict[str, Any]:
    """A Reference as it is stored.

    One to a contained resource (`#x`) stays. One that leads nowhere keeps what it said as its
    identifier, or as an extension where it has one. One to a resource of a type that may not stand
    there (the FHIR server would refuse it) is kept as an extension.
    """
    stated = reference.get("reference")
    if not isinstance(stated, str) or stated.startswith("#"):
        return reference
    kept = {k: v for k, v in reference.items() if k not in ("reference", "_reference")}
    found = reader.names.find(stated, reader.named.part)
    if found is None:
        reader.add("unresolved-reference", path, "leads to nothing in the document; kept as text.")
        if "identifier" not in kept:
            return {**kept, "identifier": {"system": UNRESOLVED_REFERENCE, "value": stated}}
        return told(kept, {"url": UNRESOLVED_REFERENCE, "valueString": stated})
    if element.targets and found.part.kind not in element.targets:
        words = f"leads to a {found.part.kind}, which FHIR doesn't allow there; kept as extension."
        reader.add("invalid-value", path, words)
        return told(kept, {"url": INVALID_VALUE, "valueReference": {"reference": found.key}})
    return {**reference, "reference": found.key}


def linked(attachment: dict[str, Any], path: str, reader: Reader) -> dict[str, Any]:
    """An Attachment whose url, if it names a Binary of the document, names it as it is here.

    A Binary that isn't in the document would be looked for among our own: kept as text.
    """
    stated = attachment.get("url")
    if not isinstance(stated, str):
        return attachment
    found = reader.names.find(stated, reader.named.part)
    if found is not None and found.part.kind == "Binary":
        return {**attachment, "url": found.key}
    if not _LOCAL_BINARY.match(stated.strip()):
        return attachment
    words = "leads to no file of the document; kept as text."
    reader.add("unresolved-reference", f"{path}.url", words)
    kept = {k: v for k, v in attachment.items() if k != "url"}
    twin = attachment.get("_url") or {}
    return {**kept, "_url": told(twin, {"url": UNRESOLVED_REFERENCE, "valueString": stated})}


def told(value: dict[str, Any], extension: dict[str, Any]) -> dict[str, Any]:
    """An element with one more extension."""
    return {**value, "extension": [*as_list(value.get("extension")), extension]}
