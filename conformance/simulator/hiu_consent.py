"""What an HIU asks the consent manager: a consent, its state, the artefacts.

Field errors are refused at once; what is well formed but cannot be is refused in the callback, or
at once where `hiu_refused_in_callback` is off. Source: V3 contract 7.1, 7.3 and rule R7.
"""

from typing import Any

from conformance.simulator import consent_manager
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal, error_object, refusal
from conformance.simulator.state import ConsentRequest, Patient, new_id
from conformance.simulator.times import now, parse

NOT_PAST = "Invalid from/to date. Date must be a present/before date"
# No text for this one is published; it is worded as the others are.
NOT_FUTURE = "Invalid dataEraseAt. Date must be a future date"
INVALID_REQUEST_ID = "Invalid Consent request id"
INVALID_ARTEFACT_ID = "Invalid Consent artefact id"


def hiu_of(simulator: Simulator, call: Call, service_id: str) -> str:
    """The caller's HIU service of that id; else raises the refusal 1040."""
    with simulator.state.changed:
        service = simulator.state.services.get(service_id)
    if service is None or service.client_id != call.client_id or "HIU" not in service.types:
        raise refusal("ABDM-1040", why="this is no HIU service of the client")
    return service.id


def refuse(
    simulator: Simulator, call: Call, message: str, hiu_id: str, part: str, refused: Refusal
) -> Reply:
    """A refusal in the callback `message`, or at once; `part` is the member that is then null."""
    if not simulator.config.hiu_refused_in_callback:
        raise refused
    error = error_object(refused.code, refused.message)
    body = {part: None, "error": error, "response": {"requestId": call.request_id}}
    simulator.callbacks.send(message, hiu_id, body)
    return Reply()


def _field(message: str, why: str = "") -> Refusal:
    return refusal("ABDM-9999", message, shape="array", why=why)


# -- asking ----------------------------------------------------------------------------------


def init(simulator: Simulator, call: Call) -> Reply:
    """ConsentRequestInit -> OnConsentRequestInit."""
    asked = call.body["consent"]
    _check_dates(asked["permission"])
    for named in (asked["hiu"]["id"], call.headers.get("X-HIU-ID") or asked["hiu"]["id"]):
        hiu_id = hiu_of(simulator, call, named)
    refused = _unknown(simulator, asked)
    if refused is not None:
        return refuse(simulator, call, "OnConsentRequestInit", hiu_id, "consentRequest", refused)
    request = consent_manager.put(simulator, _request(asked))
    body = {
        "consentRequest": {"id": request.id},
        "error": None,
        "response": {"requestId": call.request_id},
    }
    simulator.callbacks.send("OnConsentRequestInit", hiu_id, body)
    return Reply()


def _check_dates(permission: dict[str, Any]) -> None:
    start, end = (parse(permission["dateRange"][name]) for name in ("from", "to"))
    if max(start, end) > now() or start > end:
        raise _field(NOT_PAST, "a date of the range is in the future, or it ends before it starts")
    if parse(permission["dataEraseAt"]) <= now():
        raise _field(NOT_FUTURE, "dataEraseAt has passed")


def _unknown(simulator: Simulator, asked: dict[str, Any]) -> Refusal | None:
    """The refusal of a patient or HIP that cannot be asked."""
    with simulator.state.changed:
        patient: Patient | None = simulator.state.patients.get(asked["patient"]["id"])
        hip = asked.get("hip")
        service = simulator.state.services.get(hip["id"]) if hip else None
    if patient is None:
        return refusal("ABDM-1001", why="there is no such patient")
    if patient.deactivated:
        return refusal("ABDM-1407")
    if hip and (service is None or "HIP" not in service.types):
        return refusal("ABDM-1001", why="there is no such HIP")
    return None


def _request(asked: dict[str, Any]) -> ConsentRequest:
    permission, hip = asked["permission"], asked.get("hip")
    contexts = asked.get("careContexts")
    return ConsentRequest(
        new_id(),
        asked["hiu"]["id"],
        asked["patient"]["id"],
        asked["purpose"]["code"],
        asked["hiTypes"],
        parse(permission["dateRange"]["from"]),
        parse(permission["dateRange"]["to"]),
        parse(permission["dataEraseAt"]),
        hip["id"] if hip else None,
        now(),
        care_contexts=[one["careContextReference"] for one in contexts] if contexts else None,
        requester=asked["requester"],
        access_mode=permission["accessMode"],
        frequency=permission["frequency"],
    )


# -- following -------------------------------------------------------------------------------


def status(simulator: Simulator, call: Call) -> Reply:
    """ConsentRequestStatusRequest -> OnConsentRequestStatus, artefacts included."""
    hiu_id = hiu_of(simulator, call, call.headers["X-HIU-ID"])
    with simulator.state.changed:
        request = simulator.state.consent_requests.get(call.body["consentRequestId"].lower())
    if request is None:
        raise _field(INVALID_REQUEST_ID, "there is no such consent request")
    if request.hiu_id != hiu_id:
        refused = refusal("ABDM-1001", why="the request is another HIU's")
        return refuse(simulator, call, "OnConsentRequestStatus", hiu_id, "consentRequest", refused)
    body = {
        "consentRequest": {
            "id": request.id,
            "status": request.status,
            "consentArtefacts": [{"id": artefact_id} for artefact_id in request.artefacts],
        },
        "error": None,
        "response": {"requestId": call.request_id},
        "resp": None,
    }
    simulator.callbacks.send("OnConsentRequestStatus", hiu_id, body)
    return Reply()


def fetch(simulator: Simulator, call: Call) -> Reply:
    """ConsentFetchRequest -> OnConsentFetch; an ended artefact has a status and nothing else."""
    hiu_id = hiu_of(simulator, call, call.headers["X-HIU-ID"])
    with simulator.state.changed:
        artefact = simulator.state.artefacts.get(call.body["consentId"].lower())
    if artefact is None:
        raise _field(INVALID_ARTEFACT_ID, "there is no such artefact; a request id is none")
    if artefact.hiu_id != hiu_id:
        refused = refusal("ABDM-1112", why="the artefact is another HIU's")
        return refuse(simulator, call, "OnConsentFetch", hiu_id, "consent", refused)
    granted = artefact.status == "GRANTED"
    # The gateway's artefact tells the HIU when it was last changed (V3 contract 3.2).
    detail = {**artefact.detail, "lastUpdated": artefact.detail["createdAt"]}
    body = {
        "consent": {
            "status": artefact.status,
            "consentDetail": detail if granted else None,
            "signature": simulator.realm.sign_artefact(detail) if granted else None,
        },
        "error": None,
        "response": {"requestId": call.request_id},
        "resp": None,
    }
    simulator.callbacks.send("OnConsentFetch", hiu_id, body, about=artefact.id)
    return Reply()
