"""The Provenance of a received document: whose it is, under which consent, and what it was.

It outlives the records: once the consent has ended it names them by identifier only, so that it
blocks no delete and tells no content (http://hl7.org/fhir/R4/provenance.html). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from mappings.received.model import Origin, ReceivedDocument
from mappings.resources import Resource, key
from mappings.systems import (
    CARE_CONTEXT,
    DIGEST_SHA256,
    PROVENANCE_ARCHIVED,
    PROVENANCE_SIZE,
    RECEIVED_RECORD,
    SECURITY_ARTEFACT,
    SERVICE_ID,
    TAG,
    TAG_RECEIVED,
    TRANSACTION_ID,
    USER,
    coding,
)

_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_ACTIVITY: Final = coding(
    "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
    "receive",
    "Receive/Retain Record Lifecycle Event",
)


def provenance(document: ReceivedDocument, origin: Origin, stored: Iterable[str]) -> Resource:
    """The Provenance of what became of a document.

    `stored`: the keys (`Type/id`) of the resources that the FHIR server took; the Binary is always
    one of the targets.
    """
    received = _instant(origin.received_at)
    hip: dict[str, Any] = {"type": "Organization", "identifier": _id(SERVICE_ID, origin.hip_id)}
    if origin.hip_name:
        hip["display"] = origin.hip_name
    entities = [
        {"role": "source", "what": {"identifier": _id(system, value)}}
        for system, value in (
            (CARE_CONTEXT, origin.care_context),
            (SECURITY_ARTEFACT, origin.artefact_id),
            (TRANSACTION_ID, origin.transaction_id),
        )
        if value
    ]
    original = {
        "role": "source",
        "what": {
            "type": "Binary",
            "identifier": _id(DIGEST_SHA256, document.sha256),
            "display": "The document as received",
        },
        "extension": [{"url": PROVENANCE_SIZE, "valueInteger": document.size}],
    }
    return {
        "resourceType": "Provenance",
        "id": provenance_id(document.document_id),
        "meta": {
            "source": document.binary["meta"]["source"],
            "tag": [{"system": TAG, "code": TAG_RECEIVED}],
            "security": [{"system": SECURITY_ARTEFACT, "code": origin.artefact_id}],
        },
        "target": [{"reference": each} for each in dict.fromkeys((key(document.binary), *stored))],
        "occurredDateTime": received,
        "recorded": received,
        "activity": {"coding": [_ACTIVITY]},
        "agent": [
            _agent("author", "Author", hip),
            _agent("assembler", "Assembler", {"identifier": _id(USER, origin.recorder)})
            | {
                "onBehalfOf": {
                    "type": "Organization",
                    "identifier": _id(SERVICE_ID, origin.hiu_id),
                }
            },
        ],
        "entity": [original, *entities],
    }


def provenance_id(document_id: str) -> str:
    """The id of a document's Provenance: `rcvp-` in place of `rcv-`."""
    return document_id.replace("rcv-", "rcvp-", 1)


def provenance_archived(provenance: Resource, at: datetime, reason: str) -> Resource:
    """The Provenance after its records have gone: what it names, it names by identifier.

    `at`: when they went (aware). `reason`: one word of ours, such as REVOKED.
    """
    targets = [_by_identifier(target) for target in provenance["target"]]
    told = {
        "url": PROVENANCE_ARCHIVED,
        "extension": [
            {"url": "at", "valueInstant": _instant(at)},
            {"url": "reason", "valueCode": reason},
        ],
    }
    others = [e for e in provenance.get("extension", []) if e.get("url") != PROVENANCE_ARCHIVED]
    meta = {k: v for k, v in provenance["meta"].items() if k not in ("versionId", "lastUpdated")}
    return {**provenance, "meta": meta, "target": targets, "extension": [*others, told]}


def _by_identifier(target: dict[str, Any]) -> dict[str, Any]:
    stated = target.get("reference")
    if stated is None:
        return target
    return {"type": stated.split("/")[0], "identifier": _id(RECEIVED_RECORD, stated)}


def _agent(code: str, display: str, who: dict[str, Any]) -> dict[str, Any]:
    return {"type": {"coding": [coding(_PARTICIPANT, code, display)]}, "who": who}


def _id(system: str, value: str) -> dict[str, str]:
    return {"system": system, "value": value}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
