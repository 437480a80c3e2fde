"""Health-information requests on their way to the HIP: its answer, its report.

What the simulator's own HIU asks goes through to the HIP whatever it is, wide date ranges and
ended consents included, so that the HIP's own checks can be tried. Source: V3 contract 6.7 and
rules R4, R9.
"""

from typing import Any

from conformance.simulator import remote_hip
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import NO_MAPPING, Refusal, refusal
from conformance.simulator.state import Transfer
from conformance.simulator.times import now, timestamp


def _flat(code: str, why: str, message: str = "") -> Refusal:
    return refusal(code, message, shape="flat", why=why)


def forward(simulator: Simulator, transfer: Transfer) -> None:
    """Send HipHealthInformationRequest, or let the HIP that the simulator plays serve it."""
    if simulator.plays(transfer.hip_id):
        # As long as a callback would take, so that the HIU usually hears of the transaction first.
        delay = simulator.config.callback_delay_max
        simulator.scheduler.after(delay, lambda: remote_hip.serve(simulator, transfer))
        return
    request_id = simulator.expect("HipHealthInformationRequest", transfer.id, transfer.hip_id)
    body = {
        "requestId": "",
        "timestamp": "",
        "transactionId": transfer.id,
        "hiRequest": transfer.asked,
    }
    simulator.callbacks.send("HipHealthInformationRequest", transfer.hip_id, body, request_id)


def on_request(simulator: Simulator, call: Call) -> Reply:
    """HipHealthInformationOnRequest."""
    body = call.body
    unmatched = _flat("ABDM-2500", "response.requestId is not of a data request", NO_MAPPING)
    with simulator.state.changed:
        expected = simulator.peek(call, "HipHealthInformationRequest", unmatched)
        transfer = simulator.state.transfers[expected.key]
        stated = (body.get("hiRequest") or {}).get("transactionId", transfer.id)
        if stated.lower() != transfer.id:
            raise _flat("ABDM-1031", "transactionId is not that of the request")
        repeated = refusal("ABDM-1113")
        simulator.answered(call, "HipHealthInformationRequest", unmatched, repeated)
        transfer.on_request = body
        simulator.state.changed.notify_all()
    return Reply(simulator.config.on_request_status)


def notify(simulator: Simulator, call: Call) -> Reply:
    """DataFlowNotifyByHip: once per transaction."""
    notification = call.body["notification"]
    with simulator.state.changed:
        transfer = simulator.state.transfers.get(notification["transactionId"].lower())
        if transfer is None or transfer.hip_notification is not None:
            raise refusal("ABDM-1101", why="the transaction is unknown or was reported before")
        bridge = simulator.bridge_of(transfer.hip_id)
        if bridge is None or bridge.client_id != call.client_id:
            raise refusal("ABDM-1101", why="the transaction belongs to another HIP")
        check_report(transfer, notification, transfer.hip_id)
        transfer.hip_notification = {**notification, "receivedAt": timestamp(now())}
        simulator.state.changed.notify_all()
    return Reply(202, {"status": "Notification is Accepted"})


def check_report(transfer: Transfer, notification: dict[str, Any], notifier_id: str) -> None:
    """Refuse a report that is not of this transfer and notifier, or contradicts itself."""
    report = notification["statusNotification"]
    if notification["consentId"].lower() != transfer.artefact_id:
        raise _flat("ABDM-1031", "consentId is not that of the data request")
    if notification["notifier"]["id"] != notifier_id:
        raise _flat("ABDM-1031", "notifier.id must be who reports")
    if report["hipId"] != transfer.hip_id:
        raise _flat("ABDM-1031", "hipId must be the HIP of the request")
    statuses = {line["hiStatus"] for line in report["statusResponses"]}
    if (report["sessionStatus"] == "FAILED") != (statuses == {"ERRORED"}):
        raise _flat("ABDM-1031", "FAILED goes with all care contexts ERRORED, and only then (R9)")
