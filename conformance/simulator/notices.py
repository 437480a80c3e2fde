"""Consent notices to HIPs and HIUs, and their acknowledgements.

A HIP hears of one artefact and acknowledges with an object, an HIU hears of a request with the
artefacts concerned and acknowledges with an array. Facilities that the simulator plays itself
acknowledge at once. Source: V3 contract 6.6, 7.2 and rules R4, R11.
"""

from datetime import timedelta
from typing import Any

from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import refusal
from conformance.simulator.state import Artefact, ConsentRequest, Notice, new_id
from conformance.simulator.times import now


def notify_hip(simulator: Simulator, artefact: Artefact) -> None:
    """HipConsentNotify in the artefact's present state; an end carries the id only."""
    notification: dict[str, Any] = {"status": artefact.status, "consentId": artefact.id}
    if artefact.status == "GRANTED":
        notification |= {
            "consentDetail": artefact.detail,
            "signature": artefact.signature,
            "grantAcknowledgement": False,
        }
    notice = Notice(artefact.status, new_id(), now(), [artefact.id])
    _send(
        simulator, "HipConsentNotify", artefact.hip_id, artefact.id, artefact, notice, notification
    )


def notify_hiu(
    simulator: Simulator, request: ConsentRequest, status: str, artefacts: list[str]
) -> None:
    """HiuConsentNotify: `artefacts` are those that the status is about, perhaps none."""
    notification = {
        "consentRequestId": request.id,
        "status": status,
        "reason": None,
        "consentArtefacts": [{"id": artefact_id} for artefact_id in artefacts],
    }
    notice = Notice(status, new_id(), now(), artefacts)
    _send(simulator, "HiuConsentNotify", request.hiu_id, request.id, request, notice, notification)


def _send(
    simulator: Simulator,
    message: str,
    service_id: str,
    key: str,
    about: Artefact | ConsentRequest,
    notice: Notice,
    notification: dict[str, Any],
) -> None:
    played = simulator.plays(service_id)
    if played:
        notice.acknowledged, notice.acknowledged_at = "OK", notice.sent_at
    else:
        notice.request_id = simulator.expect(message, key, service_id)
    with simulator.state.changed:
        about.notices.append(notice)
        simulator.state.changed.notify_all()
    if not played:
        body = {"notification": notification}
        simulator.callbacks.send(message, service_id, body, notice.request_id)


def on_hip_notify(simulator: Simulator, call: Call) -> Reply:
    """HipConsentOnNotifyRequest: recorded on the artefact; a repeat is refused."""
    acknowledgement = call.body.get("acknowledgement")
    unmatched = refusal("ABDM-1015", why="response.requestId is not of a consent notice")
    with simulator.state.changed:
        expected = simulator.peek(call, "HipConsentNotify", unmatched)
        artefact = simulator.state.artefacts[expected.key]
        if acknowledgement and acknowledgement["consentId"].lower() != artefact.id:
            raise refusal("ABDM-1041", why="the acknowledgement names another consent")
        stated = acknowledgement["status"] if acknowledgement else "ERROR"
        _record(simulator, call, "HipConsentNotify", artefact.notices, stated)
    return Reply()


def on_hiu_notify(simulator: Simulator, call: Call) -> Reply:
    """HiuConsentOnNotifyRequest: one acknowledgement for each artefact of the notice."""
    acknowledgements = call.body.get("acknowledgement")
    unmatched = refusal("ABDM-1015", why="response.requestId is not of a consent notice")
    with simulator.state.changed:
        expected = simulator.peek(call, "HiuConsentNotify", unmatched)
        request = simulator.state.consent_requests[expected.key]
        notice = _notice(call, request.notices)
        if acknowledgements is not None:
            named = sorted(one["consentId"].lower() for one in acknowledgements)
            if named != sorted(notice.artefacts):
                raise refusal("ABDM-1015", why="acknowledge each artefact of the notice once (R11)")
        good = acknowledgements is not None and all(a["status"] == "OK" for a in acknowledgements)
        stated = "OK" if good else "ERROR"
        _record(simulator, call, "HiuConsentNotify", request.notices, stated)
    return Reply()


def _notice(call: Call, notices: list[Notice]) -> Notice:
    request_id = call.body["response"]["requestId"]
    return next(notice for notice in notices if notice.request_id == request_id)


def _record(
    simulator: Simulator, call: Call, message: str, notices: list[Notice], stated: str
) -> None:
    unmatched = refusal("ABDM-1015")
    repeated = refusal("ABDM-1041", why="this notice was acknowledged before")
    simulator.answered(call, message, unmatched, repeated)
    notice = _notice(call, notices)
    notice.acknowledged = stated
    notice.error = call.body.get("error")
    notice.acknowledged_at = now()
    simulator.state.changed.notify_all()


def acknowledgement_of(simulator: Simulator, notice: Notice) -> str:
    """OK or ERROR as the other side said, else PENDING, or MISSING once the time is over (1402)."""
    if notice.acknowledged:
        return notice.acknowledged
    patience = timedelta(seconds=simulator.config.acknowledgement_seconds)
    return "MISSING" if now() - notice.sent_at > patience else "PENDING"
