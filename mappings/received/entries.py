"""Which resources a received document holds, each with its names; in whatever form it was packed.

A `Part` is one resource to be stored. `collect` finds the parts of a Bundle of any type, of Bundles
inside it, of a single resource or of a list of these. Pure; changes nothing of what it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from mappings.ids import is_fhir_id
from mappings.received.elements import RESOURCE_TYPES
from mappings.received.flags import Flags
from mappings.resources import Resource

# A document of a year's stay has some thousand entries.
MOST_ENTRIES: Final = 5000
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


@dataclass
class Part:
    """One resource of a document. `place`: "Entry 3 (Patient)", for people. `scope`: names the
    Bundle it stands in, "" for the outer one. `full_url`, `own_id`: as given, "" if absent."""

    resource: Resource
    place: str
    scope: str
    full_url: str
    own_id: str
    # Further names of the same resource: those of entries that were counted once.
    aliases: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The resource's type."""
        return str(self.resource["resourceType"])


class TooMany(Exception):
    """The document has more entries than are read."""


def collect(value: Any, flags: Flags) -> list[Part]:
    """Every resource of a parsed document, in order; [] and a flag if there are none to be read."""
    try:
        found = list(_parts(value, flags))
    except TooMany:
        flags.add(
            "too-many-entries",
            f"It has more than {MOST_ENTRIES:,} entries; only the bytes as received are kept.",
        )
        return []
    return found


def _parts(value: Any, flags: Flags) -> Iterator[Part]:
    budget = iter(range(MOST_ENTRIES))
    if is_bundle(value):
        if not isinstance(value.get("resourceType"), str):
            flags.add("not-fhir", "It has no resourceType; it was read as a Bundle.")
        if value.get("type") != "document":
            flags.add("not-a-document", "It is a Bundle of another type than document.")
        yield from _of_bundle(value, "", "", flags, budget)
    elif isinstance(value, list):
        flags.add("not-fhir", "It is a list; what stands in it was read as entries.")
        yield from _of_bundle({"entry": [{"resource": v} for v in value]}, "", "", flags, budget)
    elif is_resource(value):
        flags.add("not-a-document", "It is a single resource and not a Bundle.")
        yield _part(value, "The resource", "", "", flags)
    else:
        flags.add("not-fhir", "It is no FHIR resource; only the bytes as received are kept.")


def is_resource(value: Any) -> TypeGuard[dict[str, Any]]:
    """True for an object that names a resource type."""
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def is_bundle(value: Any) -> TypeGuard[dict[str, Any]]:
    """True for a Bundle, and for an object with a Bundle's entries that names no type."""
    if not isinstance(value, dict):
        return False
    kind = value.get("resourceType")
    return kind == "Bundle" or (not isinstance(kind, str) and isinstance(value.get("entry"), list))


def _of_bundle(
    bundle: dict[str, Any], scope: str, prefix: str, flags: Flags, budget: Iterator[int]
) -> Iterator[Part]:
    entries = bundle.get("entry")
    if isinstance(entries, dict):
        entries = [entries]
    if not isinstance(entries, list) or not entries:
        flags.add("entry-without-resource", f"{prefix or 'The Bundle'} has no entries.")
        return
    for number, entry in enumerate(entries, 1):
        if next(budget, None) is None:
            raise TooMany
        name = f"{prefix}, entry {number}" if prefix else f"Entry {number}"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if resource is None and is_resource(entry):
            flags.add("not-fhir", f"{name} is a resource itself instead of holding one.")
            entry, resource = {}, entry
        if is_bundle(resource):
            flags.add("nested-bundle", f"{name} is a Bundle; its resources stand on their own.")
            own = (_text(entry.get("fullUrl")), document_key(resource))
            inner = json.dumps([scope, *(own if any(own) else (name,))])
            yield from _of_bundle(resource, inner, name, flags, budget)
        elif is_resource(resource):
            yield _part(resource, name, scope, _text(entry.get("fullUrl")), flags, in_bundle=True)
        else:
            flags.add("entry-without-resource", f"{name} holds no resource.")


def _part(
    resource: Resource,
    name: str,
    scope: str,
    full_url: str,
    flags: Flags,
    *,
    in_bundle: bool = False,
) -> Part:
    place = f"{name} ({safe_type(resource)})"
    if in_bundle and not full_url:
        flags.add("missing-full-url", f"{place} has no fullUrl.")
    elif in_bundle and not _ABSOLUTE.match(full_url):
        flags.add("relative-full-url", f"{place} has a fullUrl that isn't absolute.")
    given = resource.get("id")
    own_id = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if in_bundle and not own_id:
        flags.add("id-missing", f"{place} has no id.")
    elif own_id and not (isinstance(given, str) and (is_fhir_id(given) or given.isdecimal())):
        flags.add("id-invalid", f"{place} has an id that FHIR doesn't allow.")
    return Part(resource, place, scope, full_url, own_id)


def safe_type(resource: Resource) -> str:
    """The resource's type for a sentence; an unknown one could hold anything and isn't named."""
    kind = str(resource.get("resourceType"))
    return kind if kind in RESOURCE_TYPES else "unknown type"


def document_key(value: Any) -> str:
    """What identifies a document at its sender: Bundle.identifier, else its id; "" for neither.

    Of a resource that is no Bundle its type and id.
    """
    if not isinstance(value, dict):
        return ""
    if not is_bundle(value):
        own_id = _text(value.get("id"))
        return f"{value.get('resourceType')}/{own_id}" if own_id else ""
    identifier = value.get("identifier")
    if isinstance(identifier, list) and identifier:
        identifier = identifier[0]
    if isinstance(identifier, dict) and _text(identifier.get("value")):
        return f"{_text(identifier.get('system'))}|{identifier['value']}"
    return _text(value.get("id"))


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
