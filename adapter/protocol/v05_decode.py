"""v0.5 bodies read into messages, where they differ from V3's. Rows in `v05.py` point here.

Rules of reading as in `v3_decode.py`. A care context has no HI type here: `hi_type` is empty, which
means every HI type that it was offered with. Names of fields: NDHM's files for HIP and HIU.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast, get_args

from adapter.protocol import messages as m
from adapter.protocol import v3_decode as v3
from adapter.protocol import v3_structures as shared
from adapter.protocol.wire import Fields

#: The older names of the identifiers that flows know.
IDENTIFIER_TYPES = {
    "NDHM_HEALTH_NUMBER": "ABHA_NUMBER",
    "HEALTH_NUMBER": "ABHA_NUMBER",
    "HEALTH_ID": "ABHA_ADDRESS",
}
_MODES = get_args(m.AuthMode)
_STATUSES = get_args(m.PatientStatus)


def link_token_modes(body: Fields) -> m.LinkTokenModes:
    """users/auth/on-fetch-modes; a mode that nobody here knows is left out."""
    error = shared.error(body)
    if error is not None:
        return m.LinkTokenModes((), error)
    modes = body.inner("auth").some_texts("modes")
    return m.LinkTokenModes(tuple(_mode(mode) for mode in modes if mode in _MODES))


def link_token_challenge(body: Fields) -> m.LinkTokenChallenge:
    """users/auth/on-init; an expiry that cannot be read is none."""
    error = shared.error(body)
    if error is not None:
        return m.LinkTokenChallenge(None, None, error=error)
    auth = body.inner("auth")
    mode = auth.text("mode")
    if mode not in _MODES:
        raise auth.fault("mode", f"must be one of {', '.join(_MODES)}")
    meta = auth.inner_or_none("meta") or Fields({})
    return m.LinkTokenChallenge(
        transaction_id=auth.text("transactionId"),
        mode=_mode(mode),
        hint=meta.text_or_none("hint"),
        expires_at=meta.time_or_none("expiry"),
    )


def on_generate_link_token(body: Fields) -> m.OnGenerateLinkToken:
    """users/auth/on-confirm: the access token, how long and how often it may be used."""
    error = shared.error(body)
    if error is not None:
        return m.OnGenerateLinkToken(None, None, error)
    auth = body.inner("auth")
    validity = auth.inner_or_none("validity") or Fields({})
    patient = auth.inner_or_none("patient") or Fields({})
    return m.OnGenerateLinkToken(
        abha_address=patient.text_or_none("id"),
        link_token=auth.text("accessToken"),
        error=None,
        expires_at=validity.time_or_none("expiry"),
        uses=validity.integer("limit") if validity.has("limit") else None,
    )


def link_token_notify(body: Fields) -> m.LinkTokenNotify:
    """users/auth/notify: what the patient decided in their app."""
    auth = body.inner("auth")
    status = auth.text("status").strip().upper()
    if status not in ("GRANTED", "DENIED"):
        raise auth.fault("status", "must be GRANTED or DENIED")
    granted = status == "GRANTED"
    validity = auth.inner_or_none("validity") or Fields({})
    return m.LinkTokenNotify(
        transaction_id=auth.text("transactionId"),
        granted=granted,
        link_token=auth.text("accessToken") if granted else None,
        expires_at=validity.time_or_none("expiry"),
        uses=validity.integer("limit") if validity.has("limit") else None,
    )


def on_hip_link_care_context(body: Fields) -> m.OnHipLinkCareContext:
    """links/link/on-add-contexts: success is the absence of `error`."""
    acknowledgement = body.inner_or_none("acknowledgement")
    status = acknowledgement.text_or_none("status") if acknowledgement else None
    return m.OnHipLinkCareContext(None, status, shared.error(body))


def on_sms_notify(body: Fields) -> m.OnSmsNotify:
    """patients/sms/on-notify: the status stands at the top."""
    return m.OnSmsNotify(body.text_or_none("status"), shared.error(body))


def patient_status_notify(body: Fields) -> m.PatientStatusNotify:
    """patients/status/notify."""
    notification = body.inner("notification")
    status = notification.text("status").strip().upper()
    if status not in _STATUSES:
        raise notification.fault("status", f"must be one of {', '.join(_STATUSES)}")
    return m.PatientStatusNotify(
        notification.inner("patient").text("id"), cast("m.PatientStatus", status)
    )


def discover_care_contexts(body: Fields) -> m.DiscoverCareContexts:
    """care-contexts/discover: V3's body with the older names of identifiers."""
    message = v3.discover_care_contexts(body)
    return replace(
        message, verified=_renamed(message.verified), unverified=_renamed(message.unverified)
    )


def link_init(body: Fields) -> m.LinkInit:
    """links/link/init: one patient, care contexts without HI type and display."""
    patient = body.inner("patient")
    entry = m.PatientEntry(
        reference_number=patient.text("referenceNumber"),
        display=patient.text_or_none("display") or "",
        hi_type="",
        care_contexts=tuple(
            m.CareContextEntry(each.text("referenceNumber"), each.text_or_none("display") or "")
            for each in patient.some_items("careContexts")
        ),
    )
    return m.LinkInit(body.uuid("transactionId"), patient.text_or_none("id"), (entry,))


def profile_share(body: Fields) -> m.ProfileShare:
    """v0.5/patients/profile/share: no intent is stated, and there is only one."""
    return _share(body, "PROFILE_SHARE")


def profile_share_with_intent(body: Fields) -> m.ProfileShare:
    """v1.0/patients/profile/share: REGISTRATION is what V3 calls PROFILE_SHARE."""
    intent = body.inner("intent").text("type").strip().upper()
    return _share(body, "PROFILE_SHARE" if intent == "REGISTRATION" else intent)


def _share(body: Fields, intent: str) -> m.ProfileShare:
    # The HIP stands in the header X-HIP-ID alone, so it is the envelope's.
    profile = body.inner("profile")
    patient = profile.inner("patient")
    address = patient.inner_or_none("address") or Fields({})
    identifiers = {
        each.text_or_none("type"): each.text_or_none("value")
        for each in patient.items("identifiers")
    }
    return m.ProfileShare(
        intent=intent,
        hip_id="",
        counter=profile.text_or_none("hipCode") or "",
        patient=m.SharedPatient(
            abha_address=patient.text("healthId").strip(),
            abha_number=patient.text_or_none("healthIdNumber"),
            name=patient.text("name"),
            gender=patient.text("gender").strip().upper(),
            year_of_birth=patient.integer("yearOfBirth"),
            month_of_birth=_part(patient, "monthOfBirth"),
            day_of_birth=_part(patient, "dayOfBirth"),
            line=address.text_or_none("line"),
            district=address.text_or_none("district"),
            state=address.text_or_none("state"),
            pincode=address.text_or_none("pincode"),
            phone_number=identifiers.get("MOBILE"),
        ),
    )


def on_find_patient(body: Fields) -> m.OnFindPatient:
    """patients/on-find."""
    error = shared.error(body)
    if error is not None:
        return m.OnFindPatient(None, error)
    return m.OnFindPatient(body.inner("patient").text("id"), None)


def _part(patient: Fields, name: str) -> int | None:
    return patient.integer(name) if patient.text_or_none(name) else None


def _mode(text: str) -> m.AuthMode:
    # Checked against _MODES by the caller; the type checker cannot follow.
    return cast("m.AuthMode", text)


def _renamed(identifiers: tuple[m.Identifier, ...]) -> tuple[m.Identifier, ...]:
    return tuple(
        m.Identifier(IDENTIFIER_TYPES.get(each.type, each.type), each.value) for each in identifiers
    )
