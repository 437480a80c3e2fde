"""Messages of a HIU written as v0.5 bodies. Rows in `v05.py` point here; rules: `v05_encode.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapter.protocol import messages as m
from adapter.protocol import v3_encode_hiu as v3
from adapter.protocol.messages import Envelope
from adapter.protocol.v05_encode import hi_types, reply
from adapter.protocol.wire import Wire


def find_patient(envelope: Envelope, message: m.FindPatientRequest) -> Wire:
    """patients/find."""
    requester = {"type": "HIU", "id": envelope.hiu_id or ""}
    query = {"patient": {"id": message.abha_address}, "requester": requester}
    return Wire({}, {"query": query})


def consent_request_init(envelope: Envelope, message: m.ConsentRequestInit) -> Wire:
    """consent-requests/init: V3's body. Raises ValueError as there, RequestNotServable where no HI
    type is left."""
    known = replace(message, hi_types=tuple(hi_types(message.hi_types)))
    return Wire({}, v3.consent_request_init(envelope, known).body)


def consent_request_status(_envelope: Envelope, message: m.ConsentRequestStatusRequest) -> Wire:
    """consent-requests/status."""
    return Wire({}, {"consentRequestId": message.consent_request_id})


def hiu_consent_on_notify(envelope: Envelope, message: m.HiuConsentOnNotifyRequest) -> Wire:
    """consents/hiu/on-notify: one line per artefact."""
    lines: list[dict[str, Any]] = [
        {"status": "OK", "consentId": artefact_id} for artefact_id in message.artefact_ids
    ]
    return reply(envelope, {"acknowledgement": lines}, message.error)


def consent_fetch(_envelope: Envelope, message: m.ConsentFetchRequest) -> Wire:
    """consents/fetch."""
    return Wire({}, {"consentId": message.consent_id})


def hiu_health_information_request(
    envelope: Envelope, message: m.HiuHealthInformationRequest
) -> Wire:
    """health-information/cm/request: V3's body."""
    return Wire({}, v3.hiu_health_information_request(envelope, message).body)


def data_flow_notify_by_hiu(envelope: Envelope, message: m.DataFlowNotifyByHiu) -> Wire:
    """health-information/notify: V3's body; what V3 calls RECEIVED is TRANSFERRED here."""
    body = v3.data_flow_notify_by_hiu(envelope, message).body
    status = body["notification"]["statusNotification"]
    if status["sessionStatus"] == "RECEIVED":
        status["sessionStatus"] = "TRANSFERRED"
    return Wire({}, body)
