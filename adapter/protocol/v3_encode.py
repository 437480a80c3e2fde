"""Messages written as V3 headers and bodies. Rows in `v3.py` point here.

Where published sources disagree, V3 contract 14 decides (numbers in comments). Headers that every
call has (Authorization, REQUEST-ID, TIMESTAMP, X-CM-ID) are the gateway client's.
"""

from __future__ import annotations

from typing import Any

from adapter.protocol import ids, timestamps
from adapter.protocol import messages as m
from adapter.protocol import v3_structures as shared
from adapter.protocol.errors import CODES
from adapter.protocol.messages import Envelope
from adapter.protocol.wire import Wire


def generate_link_token(envelope: Envelope, message: m.GenerateLinkTokenRequest) -> Wire:
    """6.1; the ABHA number is a JSON number here (decision 4), never dashed."""
    body: dict[str, Any] = {"abhaAddress": message.abha_address}
    if message.abha_number:
        body["abhaNumber"] = int(ids.digits(message.abha_number))
    body |= {
        "name": message.name,
        "gender": message.gender,
        "yearOfBirth": message.year_of_birth,
    }
    return Wire(_hip(envelope), body)


def hip_link_care_context(envelope: Envelope, message: m.HipLinkCareContextRequest) -> Wire:
    """6.2; the ABHA number is a digit string here (decision 4)."""
    body: dict[str, Any] = {"abhaAddress": message.abha_address}
    if message.abha_number:
        body["abhaNumber"] = ids.digits(message.abha_number)
    body["patient"] = _patients(message.patients)
    return Wire(_hip(envelope) | {"X-LINK-TOKEN": message.link_token}, body)


def care_context_notify(envelope: Envelope, message: m.CareContextNotifyRequest) -> Wire:
    """6.3; HI types are a list (decision 3), the HIP has id and name (decision 46)."""
    hip = {"id": envelope.hip_id or ""}
    if message.hip_name:
        hip["name"] = message.hip_name
    notification = {
        "patient": {"id": message.abha_address},
        "careContext": {
            "patientReference": message.patient_reference,
            "careContextReference": message.care_context_reference,
        },
        "hiTypes": list(message.hi_types),
        "date": timestamps.format(message.date),
        "hip": hip,
    }
    return Wire(_hip(envelope), {"notification": notification})


def sms_notify(envelope: Envelope, message: m.SmsNotifyRequest) -> Wire:
    """6.4; the number with the country's code."""
    hip = {"id": envelope.hip_id or "", "name": message.hip_name}
    notification = {"phoneNo": f"91{message.mobile}", "hip": hip}
    return Wire(_hip(envelope), {"notification": notification})


def on_discover(envelope: Envelope, message: m.OnDiscoverRequest) -> Wire:
    """6.5."""
    result = {
        "patient": _patients(message.patients),
        "matchedBy": list(message.matched_by),
    }
    return _reply(envelope, result, message.error, always={"transactionId": message.transaction_id})


def on_link_init(envelope: Envelope, message: m.OnLinkInitRequest) -> Wire:
    """6.5; `link` or `error`, never both (decision 31); we send the OTP: DIRECT (26)."""
    result: dict[str, Any] = {}
    if message.error is None:
        if message.expires_at is None:
            raise ValueError("OnLinkInitRequest without error needs expires_at")
        result["link"] = {
            "referenceNumber": message.link_reference,
            "authenticationType": "DIRECT",
            "meta": {
                "communicationMedium": "MOBILE",
                "communicationHint": ids.display_text(message.hint, "OTP"),
                "communicationExpiry": timestamps.format(message.expires_at),
            },
        }
    return _reply(envelope, result, message.error, always={"transactionId": message.transaction_id})


def on_link_confirm(envelope: Envelope, message: m.OnLinkConfirmRequest) -> Wire:
    """6.5; exactly the care contexts chosen at init."""
    return _reply(envelope, {"patient": _patients(message.patients)}, message.error)


def profile_on_share(envelope: Envelope, message: m.ProfileOnShareRequest) -> Wire:
    """M0 and M1, 17.3; `expiry` in seconds, as a number (section 21)."""
    acknowledgement = {
        "status": "SUCCESS",
        "abhaAddress": message.abha_address,
        "profile": {
            "context": message.counter,
            "tokenNumber": message.token_number,
            "expiry": message.expires_in,
        },
    }
    return _reply(envelope, {"acknowledgement": acknowledgement}, message.error)


def hip_consent_on_notify(envelope: Envelope, message: m.HipConsentOnNotifyRequest) -> Wire:
    """6.6; the acknowledgement is one object (decision 13), status in capitals (14)."""
    acknowledgement = {"status": "OK", "consentId": message.consent_id}
    return _reply(envelope, {"acknowledgement": acknowledgement}, message.error)


def hip_health_information_on_request(
    envelope: Envelope, message: m.HipHealthInformationOnRequest
) -> Wire:
    """6.7."""
    request = {"transactionId": message.transaction_id, "sessionStatus": "ACKNOWLEDGED"}
    return _reply(envelope, {"hiRequest": request}, message.error)


def health_information_push(_envelope: Envelope, message: m.HealthInformationPush) -> Wire:
    """6.7, HealthInformationPushStrict; no header of ours: the receiver is a stranger."""
    entries = [
        {
            "content": entry.content,
            "media": "application/fhir+json",
            "checksum": entry.checksum,
            "careContextReference": entry.care_context_reference,
        }
        for entry in message.entries
    ]
    body = {
        "pageNumber": message.page_number,
        "pageCount": message.page_count,
        "transactionId": message.transaction_id,
        "entries": entries,
        "keyMaterial": shared.written_key_material(message.key_material),
    }
    return Wire({}, body)


def data_flow_notify_by_hip(envelope: Envelope, message: m.DataFlowNotifyByHip) -> Wire:
    """6.7, rule R9: FAILED if and only if every care context is ERRORED."""
    delivered = any(status.delivered for status in message.statuses)
    responses = [
        {
            "careContextReference": status.care_context_reference,
            "hiStatus": "DELIVERED" if status.delivered else "ERRORED",
            "description": ids.free_text(
                status.description, "Delivered" if status.delivered else "Not delivered"
            ),
        }
        for status in message.statuses
    ]
    hip_id = envelope.hip_id or ""
    notification = {
        "consentId": message.consent_id,
        "transactionId": message.transaction_id,
        "doneAt": timestamps.format(message.done_at),
        "notifier": {"type": "HIP", "id": hip_id},
        "statusNotification": {
            "sessionStatus": "TRANSFERRED" if delivered else "FAILED",
            "hipId": hip_id,
            "statusResponses": responses,
        },
    }
    return Wire(_hip(envelope), {"notification": notification})


def _hip(envelope: Envelope) -> dict[str, str]:
    # Decision 7: on every HIP call, required there or not. X-HIU-ID stays off on-discover (8).
    return {"X-HIP-ID": envelope.hip_id} if envelope.hip_id else {}


def _reply(
    envelope: Envelope,
    result: dict[str, Any],
    error: str | None,
    *,
    always: dict[str, Any] | None = None,
) -> Wire:
    body = dict(always or {})
    if error is None:
        body |= result
    else:
        code = CODES[error]
        body["error"] = {"code": code.v3, "message": code.message}
    body["response"] = {"requestId": envelope.response_to}
    return Wire(_hip(envelope), body)


def _patients(entries: tuple[m.PatientEntry, ...]) -> list[dict[str, Any]]:
    """Decision 2: `hiType` is one string; rule R1: count is the number of care contexts."""
    return [
        {
            "referenceNumber": entry.reference_number,
            "display": ids.display_text(entry.display, "Patient"),
            "careContexts": [
                {
                    "referenceNumber": context.reference_number,
                    "display": ids.display_text(context.display, "Visit"),
                }
                for context in entry.care_contexts
            ],
            "hiType": entry.hi_type,
            "count": len(entry.care_contexts),
        }
        for entry in entries
    ]
