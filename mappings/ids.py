"""Derived ids: the same record always gets the same FHIR id and the same document uuid.

Nothing random and nothing from the clock, so that sending a record twice changes nothing and the
same records give the same document.
"""

from __future__ import annotations

import hashlib
import re
import uuid

# FHIR R4 `id`: up to 64 of these characters (https://hl7.org/fhir/R4/datatypes.html#id).
_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://facility.ndhm.gov.in")


def fhir_id(facility: str, kind: str, hims_id: str) -> str:
    """The FHIR id of a HIMS entity.

    Args:
        facility: the HFR id (or the hospital's own id) of the facility the entity belongs to.
        kind: what the entity is: "patient", "consultation", ...
        hims_id: the entity's id in the HIMS; compared exactly.

    Returns:
        `<kind>-<32 hexadecimal digits>`: a valid FHIR id, never purely numeric (HAPI refuses
        those), the same for the same arguments and different for different ones.
    """
    name = "\x1f".join((facility, kind, hims_id)).encode()
    digest = hashlib.sha256(name).hexdigest()[:32]
    return f"{kind.replace('_', '-')[:31]}-{digest}"


def is_fhir_id(value: str) -> bool:
    """True for a valid FHIR id that a HAPI server takes from a client (not purely numeric)."""
    return bool(_FHIR_ID.match(value)) and not value.isdigit()


def document_uuid(*names: str) -> str:
    """A uuid for a resource or document, derived from stable names."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(names)))
