"""Messages of a HIP written as v0.5 bodies. Rows in `v05.py` point here.

`requestId` and `timestamp` are the gateway client's, as are the headers. There is one patient with
one list of care contexts, without HI types: a care context that has several stands there once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapter.protocol import ids
from adapter.protocol import messages as m
from adapter.protocol import v3_encode as v3
from adapter.protocol.errors import CODES, RequestNotServable
from adapter.protocol.messages import Envelope
from adapter.protocol.wire import Wire

Encode = Callable[[Envelope, Any], Wire]

#: HI types that this generation does not have.
_UNKNOWN_HI_TYPES = frozenset({"Invoice"})
_IDENTIFIER_TYPES = {"ABHA_NUMBER": "NDHM_HEALTH_NUMBER", "ABHA_ADDRESS": "HEALTH_ID"}
_MATCHES = frozenset({"MR", "MOBILE", *_IDENTIFIER_TYPES.values()})


def fetch_modes(envelope: Envelope, message: m.GenerateLinkTokenRequest) -> Wire:
    """users/auth/fetch-modes: the first of the three steps to a link token."""
    return Wire({}, {"query": _query(envelope, message.abha_address)})


def link_token_init(envelope: Envelope, message: m.LinkTokenInit) -> Wire:
    """users/auth/init."""
    query = _query(envelope, message.abha_address) | {"authMode": message.mode}
    return Wire({}, {"query": query})


def link_token_confirm(_envelope: Envelope, message: m.LinkTokenConfirm) -> Wire:
    """users/auth/confirm: the OTP or the demographics, never both."""
    credential: dict[str, Any] = {}
    if message.demographics is not None:
        person = message.demographics
        credential["demographic"] = {
            "name": person.name,
            "gender": person.gender,
            "dateOfBirth": person.birth_date.isoformat(),
        }
        if person.mobile:
            credential["demographic"]["identifier"] = {"type": "MOBILE", "value": person.mobile}
    else:
        credential["authCode"] = message.otp or ""
    return Wire({}, {"transactionId": message.transaction_id, "credential": credential})


def link_token_on_notify(envelope: Envelope, message: m.LinkTokenOnNotifyRequest) -> Wire:
    """users/auth/on-notify."""
    return reply(envelope, {"acknowledgement": {"status": "OK"}}, message.error)


def hip_link_care_context(_envelope: Envelope, message: m.HipLinkCareContextRequest) -> Wire:
    """links/link/add-contexts: the link token is in the body, the ABHA address nowhere."""
    link = {"accessToken": message.link_token, "patient": _patient(message.patients)}
    return Wire({}, {"link": link})


def care_context_notify(envelope: Envelope, message: m.CareContextNotifyRequest) -> Wire:
    """links/context/notify. Raises RequestNotServable where no HI type is left."""
    body = v3.care_context_notify(envelope, message).body
    body["notification"]["hiTypes"] = hi_types(message.hi_types)
    body["notification"]["hip"] = {"id": envelope.hip_id or ""}
    return Wire({}, body)


def sms_notify(envelope: Envelope, message: m.SmsNotifyRequest) -> Wire:
    """patients/sms/notify2; the number as `+91-…`."""
    hip = {"id": envelope.hip_id or "", "name": message.hip_name}
    return Wire({}, {"notification": {"phoneNo": f"+91-{message.mobile}", "hip": hip}})


def patient_status_on_notify(envelope: Envelope, message: m.PatientStatusOnNotifyRequest) -> Wire:
    """patients/status/on-notify; the member is spelt as there, and required beside an error."""
    body: dict[str, Any] = {"acknowledgment": {"status": "OK"}}
    return Wire({}, body | reply(envelope, {}, message.error).body)


def on_discover(envelope: Envelope, message: m.OnDiscoverRequest) -> Wire:
    """care-contexts/on-discover: what matched stands inside the patient."""
    result: dict[str, Any] = {}
    if message.patients:
        names = (_IDENTIFIER_TYPES.get(kind, kind) for kind in message.matched_by)
        patient = _patient(message.patients)
        result["patient"] = patient | {"matchedBy": [name for name in names if name in _MATCHES]}
    return reply(envelope, result, message.error, transaction_id=message.transaction_id)


def on_link_init(envelope: Envelope, message: m.OnLinkInitRequest) -> Wire:
    """links/link/on-init: V3's link. Raises ValueError as there."""
    body = v3.on_link_init(envelope, message).body
    result = {"link": body["link"]} if "link" in body else {}
    return reply(envelope, result, message.error, transaction_id=message.transaction_id)


def on_link_confirm(envelope: Envelope, message: m.OnLinkConfirmRequest) -> Wire:
    """links/link/on-confirm; exactly the care contexts chosen at init."""
    result = {"patient": _patient(message.patients)} if message.patients else {}
    return reply(envelope, result, message.error)


def profile_on_share(envelope: Envelope, message: m.ProfileOnShareRequest) -> Wire:
    """v0.5/patients/profile/on-share: the acknowledgement is required beside an error too."""
    status = "SUCCESS" if message.error is None else "FAILURE"
    body = {"acknowledgement": {"status": status, "healthId": message.abha_address}}
    return Wire({}, body | reply(envelope, {}, message.error).body)


def profile_on_share_with_number(envelope: Envelope, message: m.ProfileOnShareRequest) -> Wire:
    """v1.0/patients/profile/on-share: with the number in the queue, a text."""
    body = profile_on_share(envelope, message).body
    body["acknowledgement"]["tokenNumber"] = message.token_number
    return Wire({}, body)


def hip_consent_on_notify(envelope: Envelope, message: m.HipConsentOnNotifyRequest) -> Wire:
    """consents/hip/on-notify."""
    acknowledgement = {"status": "OK", "consentId": message.consent_id}
    return reply(envelope, {"acknowledgement": acknowledgement}, message.error)


def hip_health_information_on_request(
    envelope: Envelope, message: m.HipHealthInformationOnRequest
) -> Wire:
    """health-information/hip/on-request."""
    request = {"transactionId": message.transaction_id, "sessionStatus": "ACKNOWLEDGED"}
    return reply(envelope, {"hiRequest": request}, message.error)


def data_flow_notify_by_hip(envelope: Envelope, message: m.DataFlowNotifyByHip) -> Wire:
    """health-information/notify: V3's body."""
    return Wire({}, v3.data_flow_notify_by_hip(envelope, message).body)


def reply(
    envelope: Envelope,
    result: dict[str, Any],
    error: str | None,
    *,
    transaction_id: str | None = None,
) -> Wire:
    """An answer: the result or the error, and `resp`, the REQUEST-ID that it answers."""
    body: dict[str, Any] = {"transactionId": transaction_id} if transaction_id else {}
    if error is None:
        body |= result
    else:
        code = CODES[error]
        body["error"] = {"code": code.v05, "message": code.message}
    body["resp"] = {"requestId": envelope.response_to}
    return Wire({}, body)


def hi_types(named: tuple[str, ...]) -> list[str]:
    """The HI types that this generation knows. Raises RequestNotServable where none is left."""
    known = [name for name in named if name not in _UNKNOWN_HI_TYPES]
    if not known:
        raise RequestNotServable(
            f"ABDM's v0.5 interface knows no document type {', '.join(named)}; this can only be "
            "told to it in V3 (ABDM_API_VERSION, FACILITY_API_VERSIONS)."
        )
    return known


def _query(envelope: Envelope, abha_address: str) -> dict[str, Any]:
    requester = {"type": "HIP", "id": envelope.hip_id or ""}
    return {"id": abha_address, "purpose": "LINK", "requester": requester}


def _patient(entries: tuple[m.PatientEntry, ...]) -> dict[str, Any]:
    contexts = {each.reference_number: each for entry in entries for each in entry.care_contexts}
    return {
        "referenceNumber": entries[0].reference_number,
        "display": ids.display_text(entries[0].display, "Patient"),
        "careContexts": [
            {"referenceNumber": reference, "display": ids.display_text(each.display, "Visit")}
            for reference, each in contexts.items()
        ],
    }
