"""Our consent requests, and the artefacts given to us, as FHIR Consents, and back. Pure.

`req-<our id>`: what we asked for, as FHIR has fields for it and, word for word, as the message that
went to ABDM (`sourceAttachment`). `hiu-<artefact id>`: what the patient granted, in the form of
`consent_resource.granted`. Both carry the exact ABDM state with its time and reason as extensions.
How an artefact's Consent ends is `ended_consent`'s.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from adapter.protocol import ids, stored, timestamps
from adapter.protocol.messages import ConsentArtefact, ConsentRequestInit
from adapter.rules import consent_resource
from adapter.rules.consent_resource import SIGNATURE_EXTENSION, STATUS_EXTENSION
from adapter.rules.states import ConsentRequestState, HiuArtefactState
from mappings import systems

Resource = dict[str, Any]

#: Our own id of a request, and the one ABDM gave it.
REQUEST_ID = "urn:abdm-adapter:consent-request"
ABDM_REQUEST_ID = "urn:abdm:consent-request"
REQUESTER = "urn:abdm-adapter:requester"
STATUS_AT_EXTENSION = "urn:abdm-adapter:consent-status-at"
REASON_EXTENSION = "urn:abdm-adapter:consent-status-reason"

_REQUESTED_BY = systems.coding(systems.PARTICIPATION_TYPE, "AUT", "author (originator)")

_STATUS = {
    ConsentRequestState.CREATED: "proposed",
    ConsentRequestState.REQUESTED: "proposed",
    ConsentRequestState.GRANTED: "active",
    ConsentRequestState.DENIED: "rejected",
    ConsentRequestState.FAILED: "rejected",
    ConsentRequestState.EXPIRED: "inactive",
    ConsentRequestState.REVOKED: "inactive",
}


def request_id(our_id: str) -> str:
    """The FHIR id of the Consent of a request of ours."""
    return f"req-{our_id}"


def requested(
    our_id: str, init: ConsentRequestInit, *, hiu_id: str, requester: str, at: datetime
) -> Resource:
    """The Consent of a request that is about to leave. `requester`: who asked for it here."""
    permission = init.permission
    provision: Resource = {
        "type": "permit",
        "period": {"end": timestamps.format(permission.data_erase_at)},
        "dataPeriod": {
            "start": timestamps.format(permission.date_range.start),
            "end": timestamps.format(permission.date_range.end),
        },
        "purpose": [{"system": consent_resource.PURPOSE, "code": init.purpose_code}],
        "code": [
            {"coding": [{"system": systems.TAG_HI_TYPE, "code": each}]} for each in init.hi_types
        ],
        "actor": [
            consent_resource.recipient(hiu_id),
            {
                "role": {"coding": [_REQUESTED_BY]},
                "reference": {"identifier": {"system": REQUESTER, "value": requester}},
            },
        ],
    }
    if init.care_contexts:
        provision["data"] = [consent_resource.data(context) for context in init.care_contexts]
    resource = {
        **consent_resource.frame(request_id(our_id), init.hip_id),
        "identifier": [{"system": REQUEST_ID, "value": our_id}],
        "dateTime": timestamps.format(at),
        "patient": consent_resource.patient(init.abha_address),
        "sourceAttachment": {
            "contentType": "application/json",
            "data": base64.b64encode(stored.dump(init)).decode("ascii"),
            "title": "Consent request as sent",
        },
        "provision": provision,
    }
    return restated(resource, ConsentRequestState.CREATED, at)


def restated(
    present: Resource,
    state: ConsentRequestState,
    at: datetime,
    *,
    reason: str | None = None,
    abdm_ids: Iterable[str | None] = (),
) -> Resource:
    """The Consent of a request in another state; `abdm_ids`: how ABDM knows it, where it does."""
    own = [i for i in present.get("identifier") or [] if i.get("system") != ABDM_REQUEST_ID]
    return {
        **present,
        "status": _STATUS[state],
        "extension": _told(present, state, at, reason),
        "identifier": own
        + [{"system": ABDM_REQUEST_ID, "value": each} for each in abdm_ids if each],
    }


def asked(consent: Resource | None) -> ConsentRequestInit | None:
    """What a request's Consent says was asked for; None where it cannot be read (any more)."""
    data = ((consent or {}).get("sourceAttachment") or {}).get("data")
    try:
        init: ConsentRequestInit = stored.load("ConsentRequestInit", base64.b64decode(data or ""))
    except ValueError:
        return None
    return init


def status_at(consent: Resource | None) -> str | None:
    """Since when a Consent of ours is in its state."""
    return next(
        (
            each.get("valueDateTime")
            for each in (consent or {}).get("extension") or []
            if each.get("url") == STATUS_AT_EXTENSION
        ),
        None,
    )


def given(
    artefact: ConsentArtefact,
    signature: str | None,
    *,
    hiu_id: str,
    hip_id: str,
    request: str | None,
    abdm_request: str | None,
    at: datetime,
) -> Resource:
    """The Consent of an artefact given to us; `request`, `abdm_request`: the request it answers."""
    resource = consent_resource.granted(artefact, signature, hip_id)
    resource["id"] = ids.consent_id("hiu", artefact.consent_id)
    resource["identifier"] += _request_identifiers(request, abdm_request)
    resource["provision"]["actor"] = [consent_resource.recipient(hiu_id)]
    resource["extension"] = _told(resource, HiuArtefactState.GRANTED, at, None)
    return resource


def refused(
    artefact_id: str, *, hiu_id: str, request: str | None, reason: str, at: datetime
) -> Resource:
    """The Consent of an artefact that isn't what was asked for; its content is not kept.

    It may be about another person than the one we asked.
    """
    resource = {
        **consent_resource.frame(ids.consent_id("hiu", artefact_id), None),
        "status": "rejected",
        "identifier": [
            {"system": systems.SECURITY_ARTEFACT, "value": artefact_id},
            *_request_identifiers(request, None),
        ],
        "dateTime": timestamps.format(at),
        "provision": {"type": "deny", "actor": [consent_resource.recipient(hiu_id)]},
    }
    resource["extension"] = _told(resource, HiuArtefactState.REFUSED, at, reason)
    return resource


def verbatim(consent: Resource | None) -> tuple[str | None, str | None]:
    """The artefact's own JSON text as received, and its signature; None where not there."""
    attachment = (consent or {}).get("sourceAttachment") or {}
    signature = next(
        (
            each.get("valueString")
            for each in attachment.get("extension") or []
            if each.get("url") == SIGNATURE_EXTENSION
        ),
        None,
    )
    data = attachment.get("data")
    return (base64.b64decode(data).decode() if data else None), signature


def _request_identifiers(request: str | None, abdm_request: str | None) -> list[Resource]:
    pairs = ((REQUEST_ID, request), (ABDM_REQUEST_ID, abdm_request))
    return [{"system": system, "value": value} for system, value in pairs if value]


def _told(present: Resource, state: StrEnum, at: datetime, reason: str | None) -> list[Resource]:
    """The extensions that say the state, since when, and why; others are kept."""
    ours = (STATUS_EXTENSION, STATUS_AT_EXTENSION, REASON_EXTENSION)
    told = [each for each in present.get("extension") or [] if each.get("url") not in ours]
    told += [
        {"url": STATUS_EXTENSION, "valueCode": str(state)},
        {"url": STATUS_AT_EXTENSION, "valueDateTime": timestamps.format(at)},
    ]
    if reason:
        told.append({"url": REASON_EXTENSION, "valueString": reason})
    return told
