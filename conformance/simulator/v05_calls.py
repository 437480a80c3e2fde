"""Calls in the form of v0.5 brought into V3's, so that one set of rules answers both.

Each function takes the caller's client id and a body that fits its schema, and gives the headers
and the body that V3 has for the same call. Raises a Refusal where what V3 has in a header cannot
be found. Source: NDHM's OpenAPI files of gateway, HIP and HIU.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from conformance.simulator.core import Simulator
from conformance.simulator.errors import refusal
from conformance.simulator.state import State
from conformance.simulator.times import now, timestamp
from conformance.simulator.v05_names import IDENTIFIERS

Read = Callable[[Simulator, str, dict[str, Any]], tuple[dict[str, str], dict[str, Any]]]
Headers = dict[str, str]
Body = dict[str, Any]

_TICKET_SECONDS = 1800
_OTP_LIFE = timedelta(minutes=10)


def plain(_simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """What differs for every message: id and time go, `resp` and the error are renamed."""
    return {}, _plain(body)


def _plain(body: Body) -> Body:
    around = ("requestId", "timestamp", "resp", "error")
    made = {name: value for name, value in body.items() if name not in around}
    if body.get("resp"):
        made["response"] = body["resp"]
    if body.get("error"):
        made["error"] = {**body["error"], "code": str(body["error"]["code"])}
    return made


def services_of(state: State, client_id: str, role: str) -> list[str]:
    """The ids of a client's services in a role."""
    with state.changed:
        found = [s for s in state.services.values() if s.client_id == client_id and s.active]
    return [service.id for service in found if role in service.types]


def _any_service(simulator: Simulator, client_id: str, role: str) -> str:
    return next(iter(services_of(simulator.state, client_id, role)), "")


# -- linking ---------------------------------------------------------------------------------


def add_contexts(simulator: Simulator, client_id: str, body: Body) -> tuple[Headers, Body]:
    """links/link/add-contexts: HIP and patient are those of the access token."""
    link = body["link"]
    token_id = simulator.realm.link_token_id(link["accessToken"])
    with simulator.state.changed:
        token = simulator.state.link_tokens.get(token_id or "")
    if token is None or token.hip_id not in services_of(simulator.state, client_id, "HIP"):
        raise refusal("ABDM-1026", why="the accessToken is unknown, expired or another's")
    headers = {"X-LINK-TOKEN": link["accessToken"], "X-HIP-ID": token.hip_id}
    made = {"abhaAddress": token.abha_address, "patient": [_entry(link["patient"])]}
    if token.abha_number:
        made["abhaNumber"] = token.abha_number
    return headers, made


def _entry(patient: Body) -> Body:
    contexts = patient["careContexts"]
    names = ("referenceNumber", "display")
    kept = {name: patient[name] for name in names}
    return {**kept, "careContexts": contexts, "hiType": "", "count": len(contexts)}


def notify_context(_simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """links/context/notify: the HIP is in the body."""
    return {"X-HIP-ID": body["notification"]["hip"]["id"]}, _plain(body)


def notify_by_sms(simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """patients/sms/notify2: the HIP may be left unnamed or be left out."""
    made = _plain(body)
    hip = made["notification"].get("hip") or {
        "id": _any_service(simulator, _client_id, "HIP"),
    }
    with simulator.state.changed:
        service = simulator.state.services.get(hip["id"])
    named = {"name": service.name if service else hip["id"], **hip}
    return {}, {**made, "notification": {**made["notification"], "hip": named}}


def on_discover(_simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """care-contexts/on-discover: one patient, what matched inside."""
    made = _plain(body)
    if "patient" in made:
        matched = made["patient"].get("matchedBy", [])
        made["matchedBy"] = [IDENTIFIERS.get(name, name) for name in matched]
        made["patient"] = [_entry(made["patient"])]
    return {}, made


def on_link_init(_simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """links/link/on-init: nothing need be said of how the code travels."""
    made = _plain(body)
    if "link" in made:
        meta = {"communicationExpiry": timestamp(now() + _OTP_LIFE), **made["link"].get("meta", {})}
        made["link"] = {**made["link"], "meta": meta}
    return {}, made


def on_link_confirm(_simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """links/link/on-confirm: one patient."""
    made = _plain(body)
    if "patient" in made:
        made["patient"] = [_entry(made["patient"])]
    return {}, made


def on_share(simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """patients/profile/on-share: the counter is that of the share; v0.5 has no token number."""
    made = _plain(body)
    stated = made["acknowledgement"]
    with simulator.state.changed:
        shared = simulator.state.shares.get(body["resp"]["requestId"])
    made["acknowledgement"] = {"status": stated["status"], "abhaAddress": stated["healthId"]}
    if stated["status"] == "SUCCESS":
        made["acknowledgement"]["profile"] = {
            "context": shared.counter if shared else "",
            "tokenNumber": stated.get("tokenNumber", ""),
            "expiry": _TICKET_SECONDS,
        }
    return {}, made


# -- consent and data ------------------------------------------------------------------------


def consent_init(_simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """consent-requests/init: the HIU is in the body."""
    return {"X-HIU-ID": body["consent"]["hiu"]["id"]}, _plain(body)


def consent_status(simulator: Simulator, client_id: str, body: Body) -> tuple[Headers, Body]:
    """consent-requests/status: the HIU is that of the request, if it is the caller's."""
    with simulator.state.changed:
        request = simulator.state.consent_requests.get(body["consentRequestId"].lower())
    return _as_hiu(simulator, client_id, request.hiu_id if request else ""), _plain(body)


def consent_fetch(simulator: Simulator, client_id: str, body: Body) -> tuple[Headers, Body]:
    """consents/fetch: the HIU is that of the artefact, if it is the caller's."""
    return _hiu_of_artefact(simulator, client_id, body["consentId"]), _plain(body)


def data_request(simulator: Simulator, client_id: str, body: Body) -> tuple[Headers, Body]:
    """health-information/cm/request: the HIU is that of the artefact, if it is the caller's."""
    consent_id = body["hiRequest"]["consent"]["id"]
    return _hiu_of_artefact(simulator, client_id, consent_id), _plain(body)


def report_as_hiu(_simulator: Simulator, _client_id: str, body: Body) -> tuple[Headers, Body]:
    """health-information/notify by an HIU: what V3 calls RECEIVED is TRANSFERRED there."""
    made = _plain(body)
    told = made["notification"]["statusNotification"]
    if told["sessionStatus"] == "TRANSFERRED":
        told["sessionStatus"] = "RECEIVED"
    return {}, made


def _hiu_of_artefact(simulator: Simulator, client_id: str, consent_id: str) -> Headers:
    with simulator.state.changed:
        artefact = simulator.state.artefacts.get(consent_id.lower())
    return _as_hiu(simulator, client_id, artefact.hiu_id if artefact else "")


def _as_hiu(simulator: Simulator, client_id: str, hiu_id: str) -> Headers:
    own = services_of(simulator.state, client_id, "HIU")
    return {"X-HIU-ID": hiu_id if hiu_id in own else next(iter(own), "")}
