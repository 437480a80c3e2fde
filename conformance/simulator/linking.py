"""HIP-initiated linking: link token, care contexts, notice of new content, SMS.

Source: V3 contract 6.1 to 6.4 and rules R1, R2. The answer to every call is a callback.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from conformance.simulator import self_request
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import NOT_LINKED, Refusal, error_object, refusal
from conformance.simulator.state import Link, LinkToken, Patient, new_id
from conformance.simulator.times import now

LINKED = "Successfully Linked care context"
NOT_LINKED_STATUS = "Failed to link care context"


def generate_token(simulator: Simulator, call: Call) -> Reply:
    """GenerateLinkTokenRequest -> OnGenerateLinkToken."""
    body, state = call.body, simulator.state
    address = body["abhaAddress"]
    service = simulator.own_service(call, "X-HIP-ID", "HIP")
    if service is None:
        raise refusal("ABDM-1035", why="X-HIP-ID is no HIP service of this client")
    patient = _patient(simulator, address)
    response = {"response": {"requestId": call.request_id}}
    with state.changed:
        if state.blocked_until.get(address, now()) > now():
            error: dict[str, str] | None = error_object("ABDM-1027")
        else:
            _remember_token_request(simulator, service.id, address)
            error = _demographics_error(patient, body)
            if error:
                _count_refusal(simulator, address)
    if error:
        simulator.callbacks.send(
            "OnGenerateLinkToken", service.id, {"abhaAddress": address, "error": error, **response}
        )
        return Reply()
    number = str(body["abhaNumber"]) if body.get("abhaNumber") else None
    issued = LinkToken(new_id(), service.id, address, number, now())
    with state.changed:
        state.link_tokens[issued.id] = issued
    claims = {"hipId": service.id, "abhaAddress": address, "abhaNumber": patient.abha_number}
    token = simulator.realm.link_token(issued.id, claims, simulator.config.link_token_seconds)
    simulator.callbacks.send(
        "OnGenerateLinkToken",
        service.id,
        {"abhaAddress": address, "linkToken": token, **response},
    )
    return Reply()


def _patient(simulator: Simulator, address: str) -> Patient:
    with simulator.state.changed:
        patient = simulator.state.patients.get(address)
    if patient is None:
        raise refusal("ABDM-9999", "User not found")
    if patient.deactivated:
        raise refusal("ABDM-1407")
    return patient


def _remember_token_request(simulator: Simulator, hip_id: str, address: str) -> None:
    requests = simulator.state.link_token_requests
    earlier = requests.get((hip_id, address))
    memory = timedelta(seconds=simulator.config.link_token_memory)
    if earlier is not None and now() - earlier < memory:
        _count_refusal(simulator, address)
        raise refusal("ABDM-1092")
    requests[(hip_id, address)] = now()


def _count_refusal(simulator: Simulator, address: str) -> None:
    refusals = simulator.state.link_refusals
    refusals[address] = refusals.get(address, 0) + 1
    if refusals[address] >= simulator.config.refusals_before_block:
        until = now() + timedelta(seconds=simulator.config.block_seconds)
        simulator.state.blocked_until[address] = until
        refusals[address] = 0


def _demographics_error(patient: Patient, body: dict[str, Any]) -> dict[str, str] | None:
    number = body.get("abhaNumber")
    if number is not None and str(number) != patient.abha_number:
        return error_object("ABDM-1051")
    same_name = body["name"].casefold().split() == patient.name.casefold().split()
    same_year = int(body["yearOfBirth"]) == patient.year_of_birth
    if not (same_name and same_year and body["gender"] == patient.gender):
        return error_object("ABDM-1036")
    return None


def link_care_contexts(simulator: Simulator, call: Call) -> Reply:
    """HipLinkCareContextRequest -> OnHipLinkCareContext."""
    body, address = call.body, call.body["abhaAddress"]
    token = _link_token(simulator, call)
    _patient(simulator, address)
    hip_id = token.hip_id
    links = links_of(address, hip_id, body["patient"])
    response = {"response": {"requestId": call.request_id}}
    error = None
    if token.abha_address != address:
        error = error_object("ABDM-1038")
    elif any(entry["count"] != len(entry["careContexts"]) for entry in body["patient"]):
        error = error_object("ABDM-1037")
    with simulator.state.changed:
        # Without HI types (v0.5) nothing says that a repeat adds nothing; it is taken.
        known = all(link.hi_type and link.key in simulator.state.links for link in links)
        if error is None and known:
            error = _already_linked(simulator)
        if error is None:
            add_links(simulator, links)
        else:
            _count_refusal(simulator, address)
    outcome: dict[str, Any] = {"abhaAddress": address, "status": LINKED}
    if error:
        outcome = {"abhaAddress": address, "status": NOT_LINKED_STATUS, "error": error}
    simulator.callbacks.send("OnHipLinkCareContext", hip_id, {**outcome, **response})
    return Reply()


def _link_token(simulator: Simulator, call: Call) -> LinkToken:
    presented = call.headers.get("X-LINK-TOKEN", "")
    token_id = simulator.realm.link_token_id(presented)
    with simulator.state.changed:
        token = simulator.state.link_tokens.get(token_id or "")
    if token is None:
        raise refusal("ABDM-1026", why="X-LINK-TOKEN is unknown, expired or not ours")
    if call.headers.get("X-HIP-ID") != token.hip_id:
        raise refusal("ABDM-1063")
    number = call.body.get("abhaNumber")
    if token.abha_number is not None and str(number) != token.abha_number:
        raise refusal("ABDM-1062")
    if token.uses_left is not None:
        if token.uses_left < 1:
            raise refusal("ABDM-1026", why="the link token was used as often as it may be")
        token.uses_left -= 1
    return token


def _already_linked(simulator: Simulator) -> dict[str, str]:
    habits: dict[str, Refusal] = {
        "sync-9999": refusal("ABDM-9999", "Duplicate HIP link request"),
        "sync-1090": refusal("ABDM-1090"),
    }
    habit = simulator.config.already_linked
    if habit in habits:
        raise habits[habit]
    return error_object("ABDM-1056")


def links_of(address: str, hip_id: str, entries: Iterable[dict[str, Any]]) -> list[Link]:
    """The links that patient entries of a message describe."""
    return [
        Link(
            address,
            hip_id,
            entry["referenceNumber"],
            context["referenceNumber"],
            entry["hiType"] if "hiType" in entry else entry["hiTypes"],
            context.get("display") or "",
            now(),
        )
        for entry in entries
        for context in entry["careContexts"]
    ]


def add_links(simulator: Simulator, links: Iterable[Link]) -> None:
    """Keep links; the first one made under a key stays."""
    with simulator.state.changed:
        for link in links:
            simulator.state.links.setdefault(link.key, link)
        simulator.state.changed.notify_all()


def notify_context(simulator: Simulator, call: Call) -> Reply:
    """CareContextNotifyRequest -> OnCareContextNotify."""
    hip_id = call.headers.get("X-HIP-ID", "")
    if simulator.own_service(call, "X-HIP-ID", "HIP") is None:
        return Reply()  # a wrong id is accepted and never answered
    notification = call.body["notification"]
    context = notification["careContext"]
    wanted = (
        notification["patient"]["id"],
        hip_id,
        context["patientReference"],
        context["careContextReference"],
    )
    race = timedelta(seconds=simulator.config.context_notify_race)
    with simulator.state.changed:
        known = [link for link in simulator.state.links.values() if link.key[:4] == wanted]
        settled = [link for link in known if now() - link.linked_at >= race]
        if settled:
            simulator.state.context_notifications.append(
                {"request_id": call.request_id, "hip_id": hip_id, **notification}
            )
    outcome: dict[str, Any] = {"acknowledgement": {"status": "SUCCESS"}}
    if not settled:
        # The sandbox was seen to send this code with its colon.
        error = {"code": "ABDM-1006: ", "message": NOT_LINKED}
        outcome = {"acknowledgement": {"status": "ERRORED"}, "error": error}
    simulator.callbacks.send(
        "OnCareContextNotify", hip_id, {**outcome, "response": {"requestId": call.request_id}}
    )
    if settled:
        self_request.after_context_notify(simulator, hip_id, notification)
    return Reply()


def notify_by_sms(simulator: Simulator, call: Call) -> Reply:
    """SmsNotifyRequest: the SMS, and OnSmsNotify unless the profile leaves it out."""
    notification = call.body["notification"]
    hip = notification["hip"]
    app = f"{simulator.config.public_url}/phr/?hip={hip['id']}"
    # The oldest form (v0.5) may name the visit, and a link of the hospital's.
    what = notification.get("careContextInfo") or "Your reports"
    link = notification.get("deeplinkUrl") or app
    with simulator.state.changed:
        simulator.state.sms.append(
            {
                "to": notification["phoneNo"],
                "text": f"{what} from {hip['name']} are ready: {link}",
                "purpose": "health-records-ready",
                "at": now(),
            }
        )
        simulator.state.changed.notify_all()
    if simulator.config.sms_notify_answered:
        simulator.callbacks.send(
            "OnSmsNotify",
            hip["id"],
            {
                "acknowledgement": {"status": "SUCCESS"},
                "error": None,
                "response": {"requestId": call.request_id},
            },
        )
    return Reply()
