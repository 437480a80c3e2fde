"""A document received from another hospital, as bytes, into separate, sourced FHIR resources.

    document = split_received(content, origin)   # never raises, whatever the bytes are
    document.binary                              # the bytes as received, always
    document.resources                           # each resource under its own derived id
    document.flags                               # what was wrong, and what was done about it
    provenance(document, origin, stored_keys)

`parse` reads the bytes, `entries` finds the resources, `ids` names them, `kind` tells the HI type;
`repair` makes each one storable along FHIR's own `elements`, `labels` says whose it is. Nothing is
merged with our own records: every resource has the HIP as meta.source, the tag `received`, and its
consent artefact as security label. Pure.
"""

from __future__ import annotations

import hashlib

import pybase64

from mappings.received.elements import RESOURCE_TYPES, STEERING_TYPES
from mappings.received.entries import Part, collect, document_key
from mappings.received.flags import CODES, Flags
from mappings.received.ids import Names, derived_id, document_names, name_parts
from mappings.received.kind import hi_type_of
from mappings.received.labels import label, without_foreign
from mappings.received.model import Flag, Origin, ReceivedDocument
from mappings.received.parse import may_hold_forbidden, parse
from mappings.received.provenance import provenance, provenance_archived, provenance_id
from mappings.received.reader import Reader
from mappings.received.repair import repaired
from mappings.resources import Resource, as_list

__all__ = [
    "CODES",
    "Flag",
    "Origin",
    "ReceivedDocument",
    "provenance",
    "provenance_archived",
    "provenance_id",
    "split_received",
]


def split_received(content: bytes, origin: Origin, *, apart: str = "") -> ReceivedDocument:
    """The parts of a document as received; never raises, whatever `content` is.

    The same content from the same origin gives the same resources; a document that its sender
    sends again (same Bundle.identifier, else Bundle.id) gives the same ids, so that it replaces
    what was stored of it.

    `apart`: for hospitals that give every document the same identifier. A caller that sees another
    document under this `document_id` in the same transaction passes the digest of the bytes, and
    both are kept.
    """
    flags = Flags()
    sha256 = hashlib.sha256(content).hexdigest()
    value = parse(content, flags)
    parts = [] if value is None else collect(value, flags)
    hi_type = _document_type(parts, flags)
    document = document_names(origin, document_key(value) or sha256, apart)
    document_id = derived_id("rcv", *document)
    storable = [part for part in parts if _is_storable(part, flags)]
    named = name_parts(storable, document, flags)
    names = Names(named)
    forbidden = may_hold_forbidden(content)
    resources = []
    for each in named:
        resource = repaired(Reader(each, names, flags, forbidden))
        resource["meta"] = without_foreign(resource.get("meta", {}), each.part.place, flags)
        label(resource, origin, hi_type)
        if origin.local_patient_id and resource["resourceType"] == "Patient":
            _link_to_own(resource, origin.local_patient_id)
        resources.append(resource)
    binary: Resource = {
        "resourceType": "Binary",
        "id": document_id,
        "contentType": "application/fhir+json" if resources else "application/octet-stream",
        "data": pybase64.b64encode_as_string(content),
    }
    label(binary, origin, hi_type)
    return ReceivedDocument(
        document_id, sha256, len(content), hi_type, binary, tuple(resources), flags.all()
    )


def _document_type(parts: list[Part], flags: Flags) -> str | None:
    """The HI type that the document's Composition tells; None if it can't be told."""
    compositions = [part for part in parts if part.kind == "Composition"]
    if parts and not compositions:
        flags.add("no-composition", "No entry is a Composition.")
    if len(compositions) > 1:
        flags.add("several-compositions", f"{len(compositions)} entries are Compositions.")
    if compositions and compositions[0] is not parts[0]:
        flags.add("composition-not-first", f"{compositions[0].place} isn't the first entry.")
    return hi_type_of([part.resource for part in compositions])


def _is_storable(part: Part, flags: Flags) -> bool:
    if part.kind not in RESOURCE_TYPES:
        flags.add("unknown-resource-type", f"{part.place} isn't stored on its own.")
        return False
    if part.kind in STEERING_TYPES:
        flags.add("not-a-record", f"{part.place} isn't stored on its own.")
        return False
    return True


def _link_to_own(patient: Resource, local_id: str) -> None:
    own = {"other": {"reference": f"Patient/{local_id}"}, "type": "seealso"}
    patient["link"] = [*as_list(patient.get("link")), own]
