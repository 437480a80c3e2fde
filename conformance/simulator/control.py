"""The control calls: set up, play the patient and the remote HIU, switch faults, look inside.

One POST per action, `/control/<action>` with its arguments as a JSON object; a mistake is
answered 400 (404 for what does not exist) with `{"error": sentence}`. For tests, the demo and
developers; no authentication, so bind the simulator to loopback. `SimulatorClient` wraps these.
"""

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from conformance.simulator import (
    abha_control,
    consent_manager,
    control_records,
    counterparts,
    holdings,
    seed,
    sms,
    user_auth,
    user_linking,
    views,
)
from conformance.simulator.callbacks import Callback
from conformance.simulator.config import SettingError
from conformance.simulator.consent_manager import Narrowing
from conformance.simulator.core import Simulator
from conformance.simulator.faults import FaultError
from conformance.simulator.lookups import (
    NotFound,
    PatientMistake,
    artefact_named,
    patient_named,
    request_named,
    transaction_named,
    transfer_named,
)
from conformance.simulator.state import new_id
from conformance.simulator.times import parse

Action = Callable[..., Any]
MOMENTS = ("date_from", "date_to", "erase_at")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse(text)


def _discover(
    simulator: Simulator, abha_address: str, hip_id: str, unverified: list[list[str]]
) -> Any:
    typed = [(kind, value) for kind, value in unverified]
    return user_linking.discover(simulator, abha_address, hip_id, typed)


def _raise(simulator: Simulator, date_from: str, date_to: str, erase_at: str, **rest: Any) -> Any:
    found = consent_manager.raise_request(
        simulator,
        rest["hiu_id"],
        rest["abha_address"],
        rest["hi_types"],
        parse(date_from),
        parse(date_to),
        parse(erase_at),
        rest["purpose"],
        rest["hip_id"],
    )
    return views.consent_request(simulator, found)


def _grant(
    simulator: Simulator,
    request_id: str,
    hi_types: list[str] | None,
    date_from: str | None,
    date_to: str | None,
    erase_at: str | None,
    care_contexts: list[str] | None,
    hip_ids: list[str] | None = None,
    per_hip: dict[str, dict[str, Any]] | None = None,
) -> Any:
    narrowing = Narrowing(
        hi_types, _moment(date_from), _moment(date_to), _moment(erase_at), care_contexts, hip_ids
    )
    others = {hip_id: _narrowing(allowed) for hip_id, allowed in (per_hip or {}).items()}
    granted = consent_manager.grant(simulator, request_id, narrowing, others)
    return [artefact.id for artefact in granted]


def _narrowing(allowed: dict[str, Any]) -> Narrowing:
    unknown = sorted(set(allowed) - set(Narrowing.__dataclass_fields__))
    if unknown:
        raise PatientMistake(f"A grant cannot narrow {', '.join(unknown)}.")
    dates = {name: parse(allowed[name]) for name in MOMENTS if allowed.get(name)}
    return Narrowing(**{**allowed, **dates})


def _request_data(
    simulator: Simulator, artefact_id: str, date_from: str | None, date_to: str | None, **rest: Any
) -> Any:
    return counterparts.request_data(
        simulator, artefact_id, date_from=_moment(date_from), date_to=_moment(date_to), **rest
    ).id


def _callback(
    simulator: Simulator,
    path: str,
    body: Any,
    headers: dict[str, str | None],
    token: str | None,
    client_id: str | None,
) -> Any:
    """Send any callback now; a header given as null is left out."""
    with simulator.state.changed:
        bridges = [
            bridge
            for bridge in simulator.state.bridges.values()
            if client_id in (None, bridge.client_id) and bridge.url
        ]
    if len(bridges) != 1:
        raise PatientMistake("Name the client id of exactly one bridge that has a URL.")
    built: dict[str, str | None] = dict(
        simulator.callbacks.headers(token, new_id(), {})  # type: ignore[arg-type]  # from JSON
    )
    by_name = {name.upper(): name for name in built}
    for name, value in headers.items():
        built.pop(by_name.get(name.upper(), ""), None)
        built[name] = value
    sent = {name: value for name, value in built.items() if value is not None}
    url = str(bridges[0].url).rstrip("/") + path
    status, text = simulator.callbacks.post(Callback("by hand", url, sent, body))
    return {"status": status, "body": text}


def _exchanges(simulator: Simulator, message: str | None, direction: str | None, since: int) -> Any:
    with simulator.state.changed:
        return [
            views.exchange(exchange)
            for exchange in simulator.state.exchanges
            if message in (None, exchange.message)
            and direction in (None, exchange.direction)
            and exchange.number > since
        ]


def _links(simulator: Simulator, abha_address: str) -> Any:
    patient_named(simulator, abha_address)
    with simulator.state.changed:
        found = simulator.state.links.values()
        return [views.plain(link) for link in found if link.abha_address == abha_address]


def _consent_requests(simulator: Simulator, abha_address: str) -> Any:
    patient_named(simulator, abha_address)
    with simulator.state.changed:
        found = simulator.state.consent_requests.values()
        return [
            views.consent_request(simulator, r) for r in found if r.abha_address == abha_address
        ]


def _locked(read: Action) -> Action:
    def run(simulator: Simulator, **arguments: Any) -> Any:
        with simulator.state.changed:
            return read(simulator, **arguments)

    run.__signature__ = inspect.signature(read)  # type: ignore[attr-defined]  # for the check
    return run


ACTIONS: dict[str, Action] = {
    "reset": lambda simulator: simulator.reset(),
    "configure": lambda simulator, settings: seed.configure(simulator, settings),
    "seed": lambda simulator, contents: seed.load(simulator, contents),
    "add-bridge": seed.add_bridge,
    "add-patient": seed.add_patient,
    "add-service": seed.add_service,
    "discover": _discover,
    "link-init": lambda simulator, transaction_id, references: user_linking.start_linking(
        simulator, transaction_id, references
    ),
    "link-confirm": lambda simulator, reference, otp: user_linking.confirm_linking(
        simulator, reference, otp
    ),
    "link-transaction": _locked(
        lambda simulator, transaction_id: views.link_transaction(
            transaction_named(simulator, transaction_id)
        )
    ),
    "links": _links,
    "auths": user_auth.open_auths,
    "decide-auth": user_auth.decide,
    "patient-status": user_auth.change_status,
    "otps": lambda simulator, mobile: sms.otps_to(simulator, mobile),
    "sms": _locked(lambda simulator: views.plain(simulator.state.sms)),
    "context-notifications": _locked(lambda simulator: simulator.state.context_notifications),
    "raise-consent-request": _raise,
    "consent-requests": _consent_requests,
    "consent-request": _locked(
        lambda simulator, request_id: views.consent_request(
            simulator, request_named(simulator, request_id)
        )
    ),
    "grant": _grant,
    "deny": lambda simulator, request_id: consent_manager.deny(simulator, request_id),
    "revoke": lambda simulator, artefact_id: consent_manager.revoke(simulator, artefact_id),
    "artefact": _locked(
        lambda simulator, artefact_id: views.artefact(
            simulator, artefact_named(simulator, artefact_id)
        )
    ),
    "artefacts": _locked(
        lambda simulator, abha_address: [
            views.artefact(simulator, artefact)
            for artefact in simulator.state.artefacts.values()
            if artefact.abha_address == abha_address
        ]
    ),
    "request-data": _request_data,
    "transfer": _locked(
        lambda simulator, transaction_id: views.transfer(transfer_named(simulator, transaction_id))
    ),
    "transfer-status": _locked(
        lambda simulator, transaction_id: counterparts.status_of(
            transfer_named(simulator, transaction_id)
        )
    ),
    "transfers": _locked(
        lambda simulator, artefact_id: [
            transfer.id
            for transfer in simulator.state.transfers.values()
            if transfer.artefact_id == artefact_id
        ]
    ),
    "callback": _callback,
    "exchanges": _exchanges,
    "fault": lambda simulator, name, message, times, params: simulator.faults.add(
        name, message, times, **params
    ),
    "clear-faults": lambda simulator: simulator.faults.clear(),
    **control_records.ACTIONS,
    **abha_control.ACTIONS,
}


def control_blueprint(simulator: Simulator) -> Blueprint:
    """`/control/<action>` over one simulator."""
    blueprint = Blueprint("control", __name__, url_prefix="/control")

    @blueprint.get("/hip-documents")
    def hip_documents() -> Response:
        return jsonify(holdings.listed(simulator, request.args.get("hip_id")))

    @blueprint.post("/<action>")
    def act(action: str) -> Response | tuple[Response, int]:
        run = ACTIONS.get(action)
        if run is None:
            return _error(f"There is no action {action}; choose from {', '.join(ACTIONS)}.", 404)
        if not request.is_json:
            # A foreign web page cannot send this content type without asking first.
            return _error("Send the arguments as a JSON object.", 415)
        arguments = request.get_json(silent=True)
        if not isinstance(arguments, dict):
            return _error("Send the arguments as a JSON object.")
        try:
            inspect.signature(run).bind(simulator, **arguments)
        except TypeError as error:
            return _error(f"The arguments of {action} do not fit: {error}.")
        try:
            return jsonify(run(simulator, **arguments))
        except NotFound as error:
            return _error(str(error), 404)
        except (PatientMistake, SettingError, FaultError, ValueError, KeyError) as error:
            return _error(str(error))

    return blueprint


def _error(sentence: str, status: int = 400) -> tuple[Response, int]:
    return jsonify({"error": sentence}), status
