"""One resource of another hospital as our FHIR server takes it: nothing of it changed needlessly.

Read along FHIR R4's own elements. References get their names here. What a server would refuse the
whole resource for, or pass over in silence, is left out or kept as text; each repair is flagged.
The result shares its texts with the original (a scan of 30 MB isn't copied), which stays as it is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, Final

from mappings.received.elements import RESOURCE_TYPES, Element, elements_of
from mappings.received.narrative import as_xhtml, is_xhtml, plain_text, says_something
from mappings.received.parse import FORBIDDEN_CHARACTERS
from mappings.received.primitives import INVALID, checked
from mappings.received.reader import Reader
from mappings.received.references import linked, rewritten, told
from mappings.resources import Resource
from mappings.systems import INVALID_VALUE

Json = dict[str, Any]

# Where a type that a bare text stands for has room for it.
_TEXT_OF: Final = {
    "Address": "text",
    "Annotation": "text",
    "CodeableConcept": "text",
    "HumanName": "text",
}
# Set by the server that stores a resource; the sender's own mean nothing here.
_OF_THE_SERVER: Final = ("versionId", "_versionId", "lastUpdated", "_lastUpdated")
_EMPTY: Final = "is empty, which FHIR forbids; it was left out."
# Longer texts than this are kept with the bytes as received only, not as an extension.
_MOST_TEXT: Final = 10_000


def repaired(reader: Reader) -> Resource:
    """The resource under its id here, with its references rewritten; not labelled yet."""
    part = reader.named.part
    content = {k: v for k, v in part.resource.items() if k not in ("resourceType", "id", "_id")}
    if isinstance(content.get("meta"), dict):
        meta = {k: v for k, v in content.pop("meta").items() if k not in _OF_THE_SERVER}
        content |= {"meta": meta} if meta else {}
    found = _object(content, part.kind, part.kind, reader)
    return {"resourceType": part.kind, "id": reader.named.new_id, **found}


def _object(value: Json, type_name: str, path: str, reader: Reader) -> Json:
    """An object as its type has it: known elements only, each as it may stand there."""
    elements = elements_of(type_name)
    found: Json = {}
    choices: defaultdict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(n.removeprefix("_") for n in value):
        element = elements.get(name)
        if element is None or (f"_{name}" in value and not element.primitive):
            # Unnamed: what is no FHIR element could be called anything, a patient's name too.
            words = "has a property unknown to FHIR R4; only the bytes as received have it."
            reader.add("unknown-property", path, words)
        if element is None:
            continue
        place = f"{path}.{name}"
        if element.primitive:
            kept = _primitive(value, name, element, place, reader)
        else:
            kept = _complex(value.get(name), name, element, place, reader)
        found.update(kept)
        if kept and element.choice:
            choices[element.choice].append(name)
        if kept and name == "modifierExtension":
            words = "may change what this record means and isn't understood; it is kept."
            reader.add("unknown-modifier-extension", place, words)
    for names in choices.values():
        for name in names[1:]:
            _set_aside(found, name, type_name, path, reader)
    return found


def _set_aside(found: Json, name: str, type_name: str, path: str, reader: Reader) -> None:
    """FHIR allows one of a choice: a further one becomes an extension."""
    reader.add("invalid-value", f"{path}.{name}", "is one value too many; kept as extension.")
    kept = found.pop(name, None)
    found.pop(f"_{name}", None)
    element = elements_of(type_name)[name]
    if kept is not None and type_name != "Extension":
        suffix = name.removeprefix(element.choice)
        found.update(told(found, {"url": INVALID_VALUE, f"value{suffix}": kept}))


def _is_empty(value: Any) -> bool:
    return (
        value is None
        or value == []
        or value == {}
        or (isinstance(value, str) and not value.strip())
    )


# --- objects ----------------------------------------------------------------------------------


def _complex(value: Any, name: str, element: Element, path: str, reader: Reader) -> Json:
    values = _several(value, element, path, reader)
    kept = [k for k in (_typed(each, element, path, reader) for each in values) if k]
    if not kept:
        return {}
    return {name: kept if element.many else kept[0]}


def _several(value: Any, element: Element, path: str, reader: Reader) -> list[Any]:
    """The values of an element, as many as it may have."""
    values = value if isinstance(value, list) and value else [value]
    if element.many and value is not None and not isinstance(value, list):
        reader.add("invalid-value", path, "should be a list; it was read as a list of one.")
    if not element.many and isinstance(value, list) and value:
        reader.add("invalid-value", path, "shouldn't be a list; its first value was taken.")
        return values[:1]
    return values


def _typed(value: Any, element: Element, path: str, reader: Reader) -> Json | None:
    """One object of the element's type; None if nothing can be made of it."""
    if _is_empty(value):
        reader.add("empty-value", path, _EMPTY)
        return None
    if not isinstance(value, dict):
        return _from_bare(value, element, path, reader)
    if element.type == "Resource":
        return _contained(value, path, reader)
    found = _object(value, element.type, path, reader)
    if element.type == "Reference":
        return rewritten(found, element, path, reader)
    if element.type == "Attachment":
        return linked(found, path, reader)
    if element.type == "Extension":
        return _extension(found, path, reader)
    if element.type == "Narrative" and found and "div" not in found:
        reader.add("empty-narrative", path, "says nothing and was left out.")
        return None
    return found


def _from_bare(value: Any, element: Element, path: str, reader: Reader) -> Json | None:
    """A text or number where an object belongs: in the type's own room for text, else as an
    extension."""
    if isinstance(value, list) or element.type in ("Resource", "Extension"):
        words = "isn't an object; only the bytes as received have it."
        reader.add("invalid-value", path, words)
        return None
    text = _plain(value, path, reader)
    if not text:
        return None
    reader.add("invalid-value", path, "isn't an object; it is kept as text.")
    if element.type == "Reference":
        return rewritten({"reference": text}, element, path, reader)
    if element.type in _TEXT_OF:
        return {_TEXT_OF[element.type]: text}
    return _as_extension(text)


def _contained(value: Json, path: str, reader: Reader) -> Json | None:
    kind = value.get("resourceType")
    if not isinstance(kind, str) or kind not in RESOURCE_TYPES:
        words = "holds a resource of a type that FHIR R4 doesn't know; it was left out."
        reader.add("unknown-resource-type", path, words)
        return None
    content = {k: v for k, v in value.items() if k != "resourceType"}
    found = _object(content, kind, f"{path}({kind})", reader)
    if found.get("id", "").startswith("#"):
        reader.add("id-invalid", path, "starts with #, which only references to it do.")
        found["id"] = found["id"].lstrip("#")
    return {"resourceType": kind, **found}


def _extension(found: Json, path: str, reader: Reader) -> Json:
    """An Extension has a url, and a value or extensions; a value beside extensions becomes one."""
    if found and "url" not in found:
        reader.add("invalid-value", path, "has no url; it was given one of this adapter's.")
        found = {"url": INVALID_VALUE, **found}
    values = {k: v for k, v in found.items() if k.lstrip("_").startswith("value")}
    if not values and "extension" not in found:
        reader.add("empty-value", path, _EMPTY)
        return {}
    if not values or "extension" not in found:
        return found
    reader.add("invalid-value", path, "has a value and extensions; the value is now one of these.")
    rest = {k: v for k, v in found.items() if k not in values}
    return told(rest, {"url": INVALID_VALUE, **values})


# --- single values ----------------------------------------------------------------------------


def _primitive(value: Json, name: str, element: Element, path: str, reader: Reader) -> Json:
    """An element of single values and what its twin (`_name`) says of them, place by place."""
    stated, twin = value.get(name), value.get(f"_{name}")
    twins = twin if isinstance(twin, list) else [twin]
    values = [None] if stated is None else _several(stated, element, path, reader)
    kept, sides = [], []
    for n in range(max(len(values), len(twins)) if element.many else 1):
        side = _twin(twins[n] if n < len(twins) else None, path, reader)
        inner = values[n] if n < len(values) else None
        if _is_empty(inner) and not side:
            reader.add("empty-value", path, _EMPTY)
            continue
        one, more = _single(inner, element, path, reader)
        if one is not None or side or more:
            kept.append(one)
            sides.append(told(side, more) if more else side)
    found: Json = {}
    if element.many and kept:
        # With its nulls, also where nothing else is left: HAPI drops a `_name` that stands alone.
        found[name] = kept
        if any(sides):
            found[f"_{name}"] = [side or None for side in sides]
    elif kept:
        found |= {name: kept[0]} if kept[0] is not None else {}
        found |= {f"_{name}": sides[0]} if sides[0] else {}
    return found


def _twin(value: Any, path: str, reader: Reader) -> Json:
    if value is None:
        return {}
    if isinstance(value, dict):
        return _object(value, "Element", path, reader)
    reader.add("invalid-value", path, "has a side note that isn't an object; it was left out.")
    return {}


def _single(value: Any, element: Element, path: str, reader: Reader) -> tuple[Any, Json | None]:
    """A single value as it may stand at its element, and what is told of it as an extension."""
    if isinstance(value, str):
        value = _clean(value, path, reader)
    if _is_empty(value):
        return None, None
    if element.type == "xhtml":
        return _div(value, path, reader), None
    kept = checked(value, element)
    if kept is INVALID:
        text = _plain(value, path, reader)
        if len(text) > _MOST_TEXT:
            words = "isn't what FHIR allows there; only the bytes as received have it."
            reader.add("invalid-value", path, words)
            return None, None
        reader.add("invalid-value", path, "isn't what FHIR allows there; it is kept as text.")
        return None, {"url": INVALID_VALUE, "valueString": text}
    if kept is not value:
        reader.add("invalid-value", path, "wasn't written as FHIR has it; it was read as meant.")
    return kept, None


def _clean(text: str, path: str, reader: Reader) -> str:
    """The text, without characters that FHIR forbids; "" if it is blank."""
    if reader.forbidden and FORBIDDEN_CHARACTERS.search(text):
        reader.add("invalid-value", path, "has characters that FHIR forbids; replaced by �.")
        text = FORBIDDEN_CHARACTERS.sub("�", text)
    return "" if text.isspace() else text


def _plain(value: Any, path: str, reader: Reader) -> str:
    """Any JSON value as text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _clean(text, path, reader).strip()


def _div(value: Any, path: str, reader: Reader) -> str | None:
    if isinstance(value, str) and is_xhtml(value):
        if not says_something(value):
            reader.add("empty-narrative", path, "says nothing.")
        return value
    text = plain_text(value) if isinstance(value, str) else ""
    if not text:
        return None
    reader.add("invalid-narrative", path, "isn't well-formed XHTML; it is kept as plain text.")
    return as_xhtml(text)


def _as_extension(text: str) -> Json | None:
    if len(text) > _MOST_TEXT:
        return None
    return {"extension": [{"url": INVALID_VALUE, "valueString": text}]}
