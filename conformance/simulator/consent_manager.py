"""Consent requests and artefacts, and how the patient answers and ends them.

Grant may only narrow what was asked. Artefacts end by revocation or at dataEraseAt; both ends
are final. Source: V3 contract 3.2, 7.4, 10.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conformance.simulator.core import Simulator
from conformance.simulator.errors import HI_TYPES
from conformance.simulator.lookups import (
    NotFound,
    PatientMistake,
    artefact_named,
    patient_named,
    request_named,
)
from conformance.simulator.notices import notify_hip, notify_hiu
from conformance.simulator.state import Artefact, ConsentRequest, Link, Service, new_id
from conformance.simulator.times import now, timestamp

PURPOSES = {
    "CAREMGT": "Care Management",
    "BTG": "Break the Glass",
    "PUBHLTH": "Public Health",
    "HPAYMT": "Healthcare Payment",
    "DSRCH": "Disease Specific Healthcare Research",
    "PATRQT": "Self Requested",
}
PURPOSE_SYSTEM = "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse"
REQUESTER = {
    "name": "Dr. Anita Desai",
    "identifier": {
        "type": "REGNO",
        "value": "SIM-10001",
        "system": "https://www.simulator.invalid",
    },
}
FREQUENCY = {"unit": "HOUR", "value": 1, "repeats": 0}


@dataclass(frozen=True)
class Narrowing:
    """What the patient allows of a request; None leaves it as asked."""

    hi_types: list[str] | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None
    erase_at: datetime | None = None
    care_contexts: list[str] | None = None
    hip_ids: list[str] | None = None


def raise_request(
    simulator: Simulator,
    hiu_id: str,
    address: str,
    hi_types: list[str],
    date_from: datetime,
    date_to: datetime,
    erase_at: datetime,
    purpose: str = "CAREMGT",
    hip_id: str | None = None,
) -> ConsentRequest:
    """A new request of a remote HIU; an unknown one becomes a service of the simulator's own."""
    patient_named(simulator, address)
    if purpose not in PURPOSES:
        raise PatientMistake(f"The purpose is one of {', '.join(PURPOSES)}.")
    if not hi_types or not set(hi_types) <= set(HI_TYPES):
        raise PatientMistake(f"Name at least one HI type of {', '.join(HI_TYPES)}.")
    if date_from > date_to:
        raise PatientMistake("The date range ends before it starts.")
    request = ConsentRequest(
        new_id(),
        hiu_id,
        address,
        purpose,
        list(dict.fromkeys(hi_types)),
        date_from,
        date_to,
        erase_at,
        hip_id,
        now(),
    )
    with simulator.state.changed:
        if hip_id is not None and hip_id not in simulator.state.services:
            raise NotFound(f"There is no facility {hip_id}; register it first.")
        simulator.state.services.setdefault(hiu_id, Service(hiu_id, hiu_id, ["HIU"]))
    return put(simulator, request)


def put(simulator: Simulator, request: ConsentRequest) -> ConsentRequest:
    """Show a request to its patient; unanswered, it lapses in time."""
    with simulator.state.changed:
        simulator.state.consent_requests[request.id] = request
        simulator.state.changed.notify_all()
    simulator.scheduler.after(
        simulator.config.consent_request_seconds, lambda: _lapse(simulator, request.id)
    )
    return request


def _lapse(simulator: Simulator, request_id: str) -> None:
    with simulator.state.changed:
        request = simulator.state.consent_requests.get(request_id)
        if request is None or request.status != "REQUESTED":
            return
        request.status = "EXPIRED"
        simulator.state.changed.notify_all()
    notify_hiu(simulator, request, "EXPIRED", [])


def deny(simulator: Simulator, request_id: str) -> None:
    """The patient says no."""
    with simulator.state.changed:
        request = _open_request(simulator, request_id)
        request.status = "DENIED"
        simulator.state.changed.notify_all()
    notify_hiu(simulator, request, "DENIED", [])


def grant(
    simulator: Simulator,
    request_id: str,
    narrowing: Narrowing,
    per_hip: Mapping[str, Narrowing] | None = None,
) -> list[Artefact]:
    """One artefact per HIP that holds linked care contexts within what is allowed.

    `per_hip` allows something else at single HIPs; what it leaves open is as asked.
    """
    with simulator.state.changed:
        request = _open_request(simulator, request_id)
        artefacts = [
            _artefact(simulator, request, allowed, hip_id, links)
            for hip_id in dict.fromkeys(link.hip_id for link in simulator.state.links.values())
            for allowed in [_narrowed(request, (per_hip or {}).get(hip_id, narrowing))]
            if (links := _covered_links(simulator, request, allowed, hip_id))
        ]
        if not artefacts:
            raise PatientMistake(
                "Nothing linked falls under this consent; link care contexts or allow more."
            )
        request.status = "GRANTED"
        for artefact in artefacts:
            simulator.state.artefacts[artefact.id] = artefact
            request.artefacts.append(artefact.id)
        simulator.state.changed.notify_all()
    notify_hiu(simulator, request, "GRANTED", [artefact.id for artefact in artefacts])
    for artefact in artefacts:
        notify_hip(simulator, artefact)
        simulator.after(artefact.erase_at - now(), _expiry(simulator, artefact.id))
    return artefacts


def _open_request(simulator: Simulator, request_id: str) -> ConsentRequest:
    request = request_named(simulator, request_id)
    if request.status != "REQUESTED":
        raise PatientMistake(f"The request is {request.status} and cannot be answered again.")
    return request


@dataclass(frozen=True)
class _Allowed:
    hi_types: list[str]
    date_from: datetime
    date_to: datetime
    erase_at: datetime
    care_contexts: list[str] | None
    hip_ids: list[str] | None


def _narrowed(request: ConsentRequest, narrowing: Narrowing) -> _Allowed:
    allowed = _Allowed(
        narrowing.hi_types or request.hi_types,
        narrowing.date_from or request.date_from,
        narrowing.date_to or request.date_to,
        narrowing.erase_at or request.erase_at,
        narrowing.care_contexts,
        narrowing.hip_ids,
    )
    if not set(allowed.hi_types) <= set(request.hi_types):
        raise PatientMistake("Choose the HI types among those that were asked for.")
    if allowed.date_from > allowed.date_to:
        raise PatientMistake("The allowed date range ends before it starts.")
    if allowed.date_from < request.date_from or allowed.date_to > request.date_to:
        raise PatientMistake("The allowed dates must lie within those that were asked for.")
    if allowed.erase_at > request.erase_at:
        raise PatientMistake("The consent cannot last longer than was asked for.")
    return allowed


def covers(request: ConsentRequest, link: Link) -> bool:
    """Whether a linked care context is among those that a request asks for."""
    return (
        link.abha_address == request.abha_address
        and link.may_hold(request.hi_types)
        and request.hip_id in (None, link.hip_id)
        and (request.care_contexts is None or link.care_context in request.care_contexts)
    )


def _covered_links(
    simulator: Simulator, request: ConsentRequest, allowed: _Allowed, hip_id: str
) -> list[Link]:
    if allowed.hip_ids is not None and hip_id not in allowed.hip_ids:
        return []
    return [
        link
        for link in simulator.state.links.values()
        if covers(request, link)
        and link.hip_id == hip_id
        and link.may_hold(allowed.hi_types)
        and (allowed.care_contexts is None or link.care_context in allowed.care_contexts)
    ]


def _artefact(
    simulator: Simulator,
    request: ConsentRequest,
    allowed: _Allowed,
    hip_id: str,
    links: list[Link],
) -> Artefact:
    services = simulator.state.services
    contexts = dict.fromkeys((link.patient_reference, link.care_context) for link in links)
    artefact_id = new_id()
    detail: dict[str, Any] = {
        "schemaVersion": "v3",
        "consentId": artefact_id,
        "createdAt": timestamp(now()),
        "patient": {"id": request.abha_address},
        "careContexts": [
            {"patientReference": patient, "careContextReference": context}
            for patient, context in contexts
        ],
        "purpose": {
            "text": PURPOSES[request.purpose],
            "code": request.purpose,
            "refUri": PURPOSE_SYSTEM,
        },
        "hip": {"id": hip_id, "name": services[hip_id].name},
        "hiu": {"id": request.hiu_id, "name": services[request.hiu_id].name},
        "consentManager": {"id": simulator.config.cm_id},
        "requester": request.requester or REQUESTER,
        "hiTypes": allowed.hi_types,
        "permission": {
            "accessMode": request.access_mode,
            "dateRange": {"from": timestamp(allowed.date_from), "to": timestamp(allowed.date_to)},
            "dataEraseAt": timestamp(allowed.erase_at),
            "frequency": request.frequency or FREQUENCY,
        },
    }
    return Artefact(
        artefact_id,
        request.id,
        hip_id,
        request.hiu_id,
        request.abha_address,
        detail,
        simulator.realm.sign_artefact(detail),
        allowed.erase_at,
    )


def revoke(simulator: Simulator, artefact_id: str) -> None:
    """The patient takes a consent back."""
    with simulator.state.changed:
        artefact = artefact_named(simulator, artefact_id)
        if artefact.status != "GRANTED":
            raise PatientMistake(f"The consent is {artefact.status}; that is final.")
        artefact.status = "REVOKED"
        simulator.state.changed.notify_all()
    _tell_of_end(simulator, artefact)


def _tell_of_end(simulator: Simulator, artefact: Artefact) -> None:
    request = request_named(simulator, artefact.request_id)
    notify_hip(simulator, artefact)
    notify_hiu(simulator, request, artefact.status, [artefact.id])


def _expiry(simulator: Simulator, artefact_id: str) -> Callable[[], None]:
    def expire() -> None:
        with simulator.state.changed:
            artefact = simulator.state.artefacts.get(artefact_id)
            if artefact is None or artefact.status != "GRANTED":
                return
            artefact.status = "EXPIRED"
            simulator.state.changed.notify_all()
        if simulator.config.expiry_notice:
            _tell_of_end(simulator, artefact)

    return expire
