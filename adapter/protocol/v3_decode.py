"""V3 bodies read into messages. Rows in `v3.py` point here.

Unknown fields are ignored, nulls and loose times accepted; a missing required field is refused by
name (`wire.Fields`). Must not judge what a message asks for: that is the flows' business.
"""

from __future__ import annotations

from adapter.protocol import messages as m
from adapter.protocol import v3_structures as shared
from adapter.protocol.wire import Fields

# `abhaAddress` is not in the specification, but the gateway has sent it (V3 contract 3.2).
_IDENTIFIER_TYPES = {"abhaAddress": "ABHA_ADDRESS"}


def on_generate_link_token(body: Fields) -> m.OnGenerateLinkToken:
    """6.1: the token, or why there is none."""
    error = shared.error(body)
    token = body.text_or_none("linkToken") if error else body.text("linkToken")
    return m.OnGenerateLinkToken(body.text_or_none("abhaAddress"), token, error)


def on_hip_link_care_context(body: Fields) -> m.OnHipLinkCareContext:
    """6.2: success is the absence of `error`; the prose in `status` decides nothing."""
    return m.OnHipLinkCareContext(
        body.text_or_none("abhaAddress"), body.text_or_none("status"), shared.error(body)
    )


def on_care_context_notify(body: Fields) -> m.OnCareContextNotify:
    """6.3."""
    acknowledgement = body.inner_or_none("acknowledgement")
    status = acknowledgement.text_or_none("status") if acknowledgement else None
    return m.OnCareContextNotify(status, shared.error(body))


def on_sms_notify(body: Fields) -> m.OnSmsNotify:
    """6.4."""
    acknowledgement = body.inner_or_none("acknowledgement")
    status = acknowledgement.text_or_none("status") if acknowledgement else None
    return m.OnSmsNotify(status, shared.error(body))


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
    error = shared.error(body)
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
    status = shared.notice(notice)
    consent_id = notice.uuid("consentId")
    artefact = None
    if status == "GRANTED":
        detail = notice.inner("consentDetail")
        artefact = shared.artefact(detail)
        if artefact.consent_id != consent_id:
            raise detail.fault("consentId", "differs from notification.consentId")
    return m.HipConsentNotify(
        consent_id=consent_id,
        status=status,
        artefact=artefact,
        signature=notice.text_or_none("signature"),
    )


def hip_health_information_request(body: Fields) -> m.HipHealthInformationRequest:
    """6.7: the body's own requestId and timestamp are empty strings in practice and ignored."""
    request = body.inner("hiRequest")
    return m.HipHealthInformationRequest(
        transaction_id=body.uuid("transactionId"),
        consent_id=request.inner("consent").uuid("id"),
        date_range=shared.date_range(request),
        data_push_url=request.text("dataPushUrl").strip(),
        key_material=shared.key_material(request.inner("keyMaterial")),
    )


def profile_share(body: Fields) -> m.ProfileShare:
    """M0 and M1, 17.2: parts of a birth date and the address may be null, numbers or texts."""
    meta = body.inner("metaData")
    patient = body.inner("profile").inner("patient")
    address = patient.inner_or_none("address") or Fields({})
    return m.ProfileShare(
        intent=body.text("intent").strip().upper(),
        hip_id=meta.text("hipId"),
        counter=meta.text("context"),
        patient=m.SharedPatient(
            abha_address=patient.text("abhaAddress").strip(),
            abha_number=patient.text_or_none("abhaNumber"),
            name=patient.text("name"),
            gender=patient.text("gender").strip().upper(),
            year_of_birth=patient.integer("yearOfBirth"),
            month_of_birth=_part(patient, "monthOfBirth"),
            day_of_birth=_part(patient, "dayOfBirth"),
            line=address.text_or_none("line"),
            district=address.text_or_none("district"),
            state=address.text_or_none("state"),
            pincode=address.text_or_none("pincode") or address.text_or_none("pinCode"),
            phone_number=patient.text_or_none("phoneNumber"),
        ),
    )


def _part(patient: Fields, name: str) -> int | None:
    return patient.integer(name) if patient.text_or_none(name) else None


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
