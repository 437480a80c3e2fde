"""What goes into splitting a received document and what comes out of it.

Nothing but data classes: where a document came from, what was found wrong with it, and its parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mappings.resources import Resource


@dataclass(frozen=True)
class Origin:
    """Where a document came from, and under which consent.

    `hip_id`, `hiu_id`: service ids. `care_context`: its reference at the HIP. `received_at`: aware.
    `local_patient_id`: the FHIR id of our own Patient that the consent is about, where known.
    `recorder`: the adapter's own name (ABDM_USERNAME).
    """

    artefact_id: str
    hip_id: str
    hip_name: str | None
    hiu_id: str
    transaction_id: str | None
    care_context: str
    received_at: datetime
    local_patient_id: str | None
    recorder: str


@dataclass(frozen=True)
class Flag:
    """Something wrong with a received document: a code of `flags.CODES`, and a sentence.

    The sentence says where it was found and what was done about it: resource types, entry numbers
    (from 1) and element paths, never a value of the document.
    """

    code: str
    sentence: str


@dataclass(frozen=True)
class ReceivedDocument:
    """A received document in parts, each ready to be PUT under its own id.

    `document_id`: the id of `binary`, which holds the bytes as received. `sha256`: of these bytes,
    lower-case hexadecimal. `size`: their number. `hi_type`: as in ABDM; None if it can't be told.
    `resources`: what could be read, without `binary`; their keys differ.
    """

    document_id: str
    sha256: str
    size: int
    hi_type: str | None
    binary: Resource
    resources: tuple[Resource, ...]
    flags: tuple[Flag, ...]
