"""V3 bodies read into messages. Rows in `v3.py` point here.

Unknown fields are ignored, nulls and loose times accepted; a missing required field is refused by
name (`wire.Fields`). Must not judge what a message asks for: that is the flows' business.
"""

from __future__ import annotations

from typing import cast

from adapter.protocol import messages as m
from adapter.protocol.refusals import trimmed_code
from adapter.protocol.wire import Fields

_NOTICES = ("GRANTED", "REVOKED", "EXPIRED", "DENIED", "REQUESTED")

# `abhaAddress` is not in the specification, but the gateway has sent it (V3 contract 3.2).
_IDENTIFIER_TYPES = {"abhaAddress": "ABHA_ADDRESS"}


def on_generate_link_token(body: Fields) -> m.OnGenerateLinkToken:
    """6.1: the token, or why there is none."""
    error = _error(body)
    token = body.text_or_none("linkToken") if error else body.text("linkToken")
    return m.OnGenerateLinkToken(body.text_or_none("abhaAddress"), token, error)


def on_hip_link_care_context(body: Fields) -> m.OnHipLinkCareContext:
    """6.2: success is the absence of `error`; the prose in `status` decides nothing."""
    return m.OnHipLinkCareContext(
        body.text_or_none("abhaAddress"), body.text_or_none("status"), _error(body)
    )


def on_care_context_notify(body: Fields) -> m.OnCareContextNotify:
    """6.3."""
    acknowledgement = body.inner_or_none("acknowledgement")
    status = acknowledgement.text_or_none("status") if acknowledgement else None
    return m.OnCareContextNotify(status, _error(body))


def discover_care_contexts(body: Fields) -> m.DiscoverCareContexts:
    """6.5: identifier lists may be null; a year of birth may be text."""
    patient = body.inner("patient")
    return m.DiscoverCareContexts(
        transaction_id=body.uuid("transactionId"),
        abha_address=patient.text("id"),
        verified=_identifiers(patient, "verifiedIdentifiers"),
        unverified=_identifiers(patient, "unverifiedIdentifiers"),
        name=patient.text("name"),
        gender=patient.text("gender").strip().upper(),
        year_of_birth=patient.integer("yearOfBirth"),
    )


def link_init(body: Fields) -> m.LinkInit:
    """6.5: the patient's choice, or the gateway's word that the flow has ended."""
    error = _error(body)
    chosen = body.items("patient") if error else body.some_items("patient")
    return m.LinkInit(
        transaction_id=body.uuid("transactionId"),
        abha_address=body.text_or_none("abhaAddress"),
        patients=tuple(_patient(entry) for entry in chosen),
        error=error,
    )


def link_confirm(body: Fields) -> m.LinkConfirm:
    """6.5: the specification's token is a number, so leading zeros are put back."""
    confirmation = body.inner("confirmation")
    return m.LinkConfirm(
        link_reference=confirmation.text("linkRefNumber"),
        otp=confirmation.text("token").strip().zfill(6),
    )


def hip_consent_notify(body: Fields) -> m.HipConsentNotify:
    """6.6: only GRANTED needs the artefact; the other notices carry the id alone."""
    notice = body.inner("notification")
    status = notice.text("status").strip().upper()
    if status not in _NOTICES:
        raise notice.fault("status", f"must be one of {', '.join(_NOTICES)}")
    consent_id = notice.uuid("consentId")
    artefact = None
    if status == "GRANTED":
        detail = notice.inner("consentDetail")
        artefact = _artefact(detail)
        if artefact.consent_id != consent_id:
            raise detail.fault("consentId", "differs from notification.consentId")
    return m.HipConsentNotify(
        consent_id=consent_id,
        # Checked against _NOTICES above; the type checker cannot follow.
        status=cast("m.ConsentNotice", status),
        artefact=artefact,
        signature=notice.text_or_none("signature"),
    )


def hip_health_information_request(body: Fields) -> m.HipHealthInformationRequest:
    """6.7: the body's own requestId and timestamp are empty strings in practice and ignored."""
    request = body.inner("hiRequest")
    return m.HipHealthInformationRequest(
        transaction_id=body.uuid("transactionId"),
        consent_id=request.inner("consent").uuid("id"),
        date_range=_date_range(request),
        data_push_url=request.text("dataPushUrl").strip(),
        key_material=_key_material(request.inner("keyMaterial")),
    )


def _error(body: Fields) -> m.ErrorObject | None:
    error = body.inner_or_none("error")
    if error is None:
        return None
    code, message = error.text_or_none("code"), error.text_or_none("message")
    if code is None and message is None:
        return None
    return m.ErrorObject(trimmed_code(code or ""), (message or "").strip())


def _identifiers(patient: Fields, name: str) -> tuple[m.Identifier, ...]:
    return tuple(
        m.Identifier(_IDENTIFIER_TYPES.get(kind, kind), value)
        for entry in patient.items(name)
        if (kind := entry.text_or_none("type")) and (value := entry.text_or_none("value"))
    )


def _patient(entry: Fields) -> m.PatientEntry:
    contexts = tuple(
        m.CareContextEntry(c.text("referenceNumber"), c.text_or_none("display") or "")
        for c in entry.some_items("careContexts")
    )
    return m.PatientEntry(
        reference_number=entry.text("referenceNumber"),
        display=entry.text_or_none("display") or "",
        hi_type=entry.text("hiType"),
        care_contexts=contexts,
    )


def _date_range(holder: Fields) -> m.DateRange:
    dates = holder.inner("dateRange")
    return m.DateRange(dates.time("from"), dates.time("to"))


def _key_material(key: Fields) -> m.KeyMaterial:
    public = key.inner("dhPublicKey")
    return m.KeyMaterial(
        public_key=public.text("keyValue"),
        nonce=key.text("nonce"),
        expiry=public.time_or_none("expiry"),
        algorithm=key.text("cryptoAlg"),
        curve=key.text("curve"),
    )


def _artefact(detail: Fields) -> m.ConsentArtefact:
    permission = detail.inner("permission")
    # `dataEraseAt` and `frequency` are drawn in two places: inside first, then one level up.
    erase_at = permission.time_or_none("dataEraseAt") or detail.time_or_none("dataEraseAt")
    if erase_at is None:
        raise permission.fault("dataEraseAt", "is missing")
    frequency = permission.inner_or_none("frequency") or detail.inner_or_none("frequency")
    purpose = detail.inner("purpose")
    hip, hiu = detail.inner_or_none("hip"), detail.inner_or_none("hiu")
    manager = detail.inner_or_none("consentManager")
    requester = detail.inner_or_none("requester")
    return m.ConsentArtefact(
        consent_id=detail.uuid("consentId"),
        patient_id=detail.inner("patient").text("id"),
        care_contexts=tuple(
            m.CareContextRef(c.text("patientReference"), c.text("careContextReference"))
            for c in detail.items("careContexts")
        ),
        purpose_code=purpose.text("code"),
        purpose_text=purpose.text_or_none("text"),
        hip_id=hip.text_or_none("id") if hip else None,
        hiu_id=hiu.text_or_none("id") if hiu else None,
        hiu_name=hiu.text_or_none("name") if hiu else None,
        requester_name=requester.text_or_none("name") if requester else None,
        consent_manager_id=manager.text_or_none("id") if manager else None,
        hi_types=detail.some_texts("hiTypes"),
        permission=m.Permission(
            access_mode=permission.text("accessMode"),
            date_range=_date_range(permission),
            data_erase_at=erase_at,
            frequency=_frequency(frequency) if frequency else None,
        ),
        created_at=detail.time_or_none("createdAt"),
        verbatim=detail.verbatim(),
    )


def _frequency(frequency: Fields) -> m.Frequency:
    repeats = frequency.integer("repeats") if frequency.has("repeats") else 0
    return m.Frequency(frequency.text("unit"), frequency.integer("value"), repeats)
