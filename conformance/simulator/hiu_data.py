"""Health-information requests of an HIU: checked, passed on to the HIP, and reported on.

A HIP behind a bridge is asked through it; one that the simulator plays answers at once. Source:
V3 contract 7.5 and rules R6, R9.
"""

from typing import Any

from conformance.simulator import data_flow, remote_hip
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.counterparts import status_of
from conformance.simulator.errors import Refusal, refusal
from conformance.simulator.hiu_consent import hiu_of, refuse
from conformance.simulator.state import Artefact, Transfer, new_id
from conformance.simulator.times import now, parse


def request(simulator: Simulator, call: Call) -> Reply:
    """HiuHealthInformationRequest -> OnHiuHealthInformationRequest, then on to the HIP."""
    hiu_id = hiu_of(simulator, call, call.headers["X-HIU-ID"])
    asked = call.body["hiRequest"]
    with simulator.state.changed:
        artefact = simulator.state.artefacts.get(asked["consent"]["id"].lower())
        refused = _refusal(artefact, hiu_id, asked)
        if refused is None:
            _use_keys(simulator, asked["keyMaterial"])
    if refused is not None or artefact is None:
        assert refused is not None  # noqa: S101 - an unknown artefact is always refused
        message = "OnHiuHealthInformationRequest"
        return refuse(simulator, call, message, hiu_id, "hiRequest", refused)
    transfer = Transfer(
        new_id(), artefact.id, artefact.hip_id, hiu_id, "", None, now(), asked=asked
    )
    with simulator.state.changed:
        simulator.state.transfers[transfer.id] = transfer
        simulator.state.changed.notify_all()
    if simulator.plays(transfer.hip_id) and remote_hip.style_of(simulator, transfer).early:
        simulator.scheduler.after(0.0, lambda: _serve_first(simulator, transfer, call.request_id))
        return Reply()
    _acknowledge(simulator, transfer, call.request_id)
    data_flow.forward(simulator, transfer)
    return Reply()


def _refusal(artefact: Artefact | None, hiu_id: str, asked: dict[str, Any]) -> Refusal | None:
    if artefact is None or artefact.hiu_id != hiu_id:
        return refusal("ABDM-1112", why="there is no such artefact of this HIU")
    if artefact.status == "EXPIRED" or artefact.erase_at <= now():
        return refusal("ABDM-1061", "Consent artefact expired")
    if artefact.status != "GRANTED":
        return refusal("ABDM-1062", "Consent Not granted")
    permitted = artefact.detail["permission"]["dateRange"]
    start, end = parse(asked["dateRange"]["from"]), parse(asked["dateRange"]["to"])
    if not parse(permitted["from"]) <= start <= end <= parse(permitted["to"]):
        return refusal("ABDM-1063", "Date Range given is invalid", why="outside the artefact's")
    return None


def _use_keys(simulator: Simulator, material: dict[str, Any]) -> None:
    fingerprint = material["dhPublicKey"]["keyValue"] + material["nonce"]
    if fingerprint in simulator.state.seen_key_material:
        raise refusal("ABDM-1101", why="key and nonce are those of an earlier request")
    simulator.state.seen_key_material.add(fingerprint)


def _serve_first(simulator: Simulator, transfer: Transfer, request_id: str) -> None:
    remote_hip.serve(simulator, transfer)
    _acknowledge(simulator, transfer, request_id)


def _acknowledge(simulator: Simulator, transfer: Transfer, request_id: str) -> None:
    body = {
        "hiRequest": {"transactionId": transfer.id, "sessionStatus": "REQUESTED"},
        "error": None,
        "response": {"requestId": request_id},
    }
    simulator.callbacks.send("OnHiuHealthInformationRequest", transfer.hiu_id, body)


def notify(simulator: Simulator, call: Call) -> Reply:
    """DataFlowNotifyByHiu: once per transaction."""
    notification = call.body["notification"]
    transaction_id = notification["transactionId"].lower()
    with simulator.state.changed:
        transfer = next(
            (
                one
                for one in simulator.state.transfers.values()
                if transaction_id in (one.id, *one.more)
            ),
            None,
        )
        if transfer is None or transaction_id in transfer.hiu_notifications:
            raise refusal("ABDM-1101", why="the transaction is unknown or was reported before")
        bridge = simulator.bridge_of(transfer.hiu_id)
        if bridge is None or bridge.client_id != call.client_id:
            raise refusal("ABDM-1101", why="the transaction belongs to another HIU")
        data_flow.check_report(transfer, notification, transfer.hiu_id)
        transfer.hiu_notifications[transaction_id] = notification
        simulator.state.changed.notify_all()
    return Reply(202, {"status": "Notification is Accepted"})


def status(simulator: Simulator, call: Call) -> Reply:
    """HealthInformationRequestStatusGet: for the HIU and the HIP of the transaction only."""
    with simulator.state.changed:
        transfer = simulator.state.transfers.get(call.arguments["transaction_id"].lower())
        bridges = (
            [simulator.bridge_of(i) for i in (transfer.hip_id, transfer.hiu_id)] if transfer else []
        )
        if transfer is None or call.client_id not in [b.client_id for b in bridges if b]:
            raise refusal("ABDM-1006", why="the transaction is unknown or another's")
        found = session_status(transfer)
    return Reply(200, {"transactionId": transfer.id, "status": found})


def session_status(transfer: Transfer) -> str:
    """The newest word on a data request: the HIU's, else the HIP's, else the gateway's.

    The vocabulary of this answer is published nowhere; it is that of the reports.
    """
    reported = transfer.hiu_notifications.get(transfer.id)
    if reported is not None:
        return str(reported["statusNotification"]["sessionStatus"])
    status = status_of(transfer)
    return "ERRORED" if status == "REFUSED" else status
