"""Messages of a HIU written as V3 headers and bodies (7.1-7.5). Rows in `v3.py` point here.

X-HIU-ID goes on every one of them: where the gateway needs it and it is missing, it answers 401
with an empty body; elsewhere it does no harm (V3 contract 14, decision 6).
"""

from __future__ import annotations

from typing import Any

from adapter.protocol import ids, timestamps
from adapter.protocol import messages as m
from adapter.protocol import v3_structures as shared
from adapter.protocol.errors import CODES
from adapter.protocol.messages import Envelope
from adapter.protocol.wire import Wire

# Must not be empty ("Invalid consent purpose refURI"); what every peer sends (12.2).
_PURPOSES = "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse"


def consent_request_init(envelope: Envelope, message: m.ConsentRequestInit) -> Wire:
    """7.1. Raises ValueError without a frequency or a requester's identifier: both are needed."""
    permission, requester = message.permission, message.requester
    if permission.frequency is None:
        raise ValueError("a consent request needs a frequency")
    if not (
        requester.identifier_type and requester.identifier_value and requester.identifier_system
    ):
        raise ValueError("a consent request needs its requester's identifier")
    consent: dict[str, Any] = {
        "purpose": {
            "text": message.purpose_text,
            "code": message.purpose_code,
            "refUri": _PURPOSES,
        },
        "patient": {"id": message.abha_address},
        "hiu": {"id": envelope.hiu_id or ""},
        "requester": {
            "name": requester.name,
            "identifier": {
                "type": requester.identifier_type,
                "value": requester.identifier_value,
                "system": requester.identifier_system,
            },
        },
        "hiTypes": list(message.hi_types),
        "permission": {
            "accessMode": permission.access_mode,
            "dateRange": shared.written_date_range(permission.date_range),
            "dataEraseAt": timestamps.format(permission.data_erase_at),
            "frequency": {
                "unit": permission.frequency.unit,
                "value": permission.frequency.value,
                "repeats": permission.frequency.repeats,
            },
        },
    }
    if message.hip_id:
        consent["hip"] = {"id": message.hip_id}
    if message.care_contexts:
        consent["careContexts"] = [
            {
                "patientReference": context.patient_reference,
                "careContextReference": context.care_context_reference,
            }
            for context in message.care_contexts
        ]
    return Wire(_hiu(envelope), {"consent": consent})


def consent_request_status(envelope: Envelope, message: m.ConsentRequestStatusRequest) -> Wire:
    """7.1."""
    return Wire(_hiu(envelope), {"consentRequestId": message.consent_request_id})


def hiu_consent_on_notify(envelope: Envelope, message: m.HiuConsentOnNotifyRequest) -> Wire:
    """7.2; the acknowledgement is a list (decision 13), empty where no artefact was named."""
    body: dict[str, Any] = {}
    if message.error is None:
        body["acknowledgement"] = [
            {"status": "OK", "consentId": artefact_id} for artefact_id in message.artefact_ids
        ]
    else:
        code = CODES[message.error]
        body["error"] = {"code": code.v3, "message": code.message}
    body["response"] = {"requestId": envelope.response_to}
    return Wire(_hiu(envelope), body)


def consent_fetch(envelope: Envelope, message: m.ConsentFetchRequest) -> Wire:
    """7.3."""
    return Wire(_hiu(envelope), {"consentId": message.consent_id})


def hiu_health_information_request(
    envelope: Envelope, message: m.HiuHealthInformationRequest
) -> Wire:
    """7.5; the nonce stands in keyMaterial (decision 17)."""
    request = {
        "consent": {"id": message.consent_id},
        "dateRange": shared.written_date_range(message.date_range),
        "dataPushUrl": message.data_push_url,
        "keyMaterial": shared.written_key_material(message.key_material),
    }
    return Wire(_hiu(envelope), {"hiRequest": request})


def data_flow_notify_by_hiu(envelope: Envelope, message: m.DataFlowNotifyByHiu) -> Wire:
    """7.5, rule R9: FAILED if and only if every care context is ERRORED."""
    received = any(status.delivered for status in message.statuses)
    responses = [
        {
            "careContextReference": status.care_context_reference,
            "hiStatus": "OK" if status.delivered else "ERRORED",
            "description": ids.free_text(
                status.description, "Received" if status.delivered else "Not received"
            ),
        }
        for status in message.statuses
    ]
    notification = {
        "consentId": message.consent_id,
        "transactionId": message.transaction_id,
        "doneAt": timestamps.format(message.done_at),
        "notifier": {"type": "HIU", "id": envelope.hiu_id or ""},
        "statusNotification": {
            "sessionStatus": "RECEIVED" if received else "FAILED",
            "hipId": message.hip_id,
            "statusResponses": responses,
        },
    }
    return Wire(_hiu(envelope), {"notification": notification})


def _hiu(envelope: Envelope) -> dict[str, str]:
    return {"X-HIU-ID": envelope.hiu_id} if envelope.hiu_id else {}
