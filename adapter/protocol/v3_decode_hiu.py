"""V3 bodies that a HIU gets, read into messages (7.1-7.5). Rows in `v3.py` point here.

Rules as in `v3_decode.py`. A pushed page is read with more patience still: it is the only copy
of somebody's records, and what cannot be used is judged entry by entry by the flow.
"""

from __future__ import annotations

from adapter.protocol import messages as m
from adapter.protocol import v3_structures as shared
from adapter.protocol.wire import Fields


def on_consent_request_init(body: Fields) -> m.OnConsentRequestInit:
    """7.1: the handle of the request, or why there is none."""
    error = shared.error(body)
    if error is not None:
        return m.OnConsentRequestInit(None, error)
    return m.OnConsentRequestInit(body.inner("consentRequest").uuid("id"), None)


def on_consent_request_status(body: Fields) -> m.OnConsentRequestStatus:
    """7.1: the state, and the artefacts where the gateway names them."""
    error = shared.error(body)
    if error is not None:
        return m.OnConsentRequestStatus(None, None, (), error)
    request = body.inner("consentRequest")
    return m.OnConsentRequestStatus(
        request.uuid("id"), shared.notice(request), _artefact_ids(request), None
    )


def hiu_consent_notify(body: Fields) -> m.HiuConsentNotify:
    """7.2: the list of artefacts is empty or absent for a request that was denied or ran out."""
    notification = body.inner("notification")
    return m.HiuConsentNotify(
        consent_request_id=notification.uuid("consentRequestId"),
        status=shared.notice(notification),
        reason=notification.text_or_none("reason"),
        artefact_ids=_artefact_ids(notification),
    )


def on_consent_fetch(body: Fields) -> m.OnConsentFetch:
    """7.3: the artefact while it is granted, else its state alone."""
    error = shared.error(body)
    if error is not None:
        return m.OnConsentFetch(None, None, None, error)
    consent = body.inner("consent")
    status = shared.notice(consent)
    artefact = shared.artefact(consent.inner("consentDetail")) if status == "GRANTED" else None
    return m.OnConsentFetch(status, artefact, consent.text_or_none("signature"), None)


def on_hiu_health_information_request(body: Fields) -> m.OnHiuHealthInformationRequest:
    """7.5: the transaction under which the pages come, or why none will."""
    error = shared.error(body)
    if error is not None:
        return m.OnHiuHealthInformationRequest(None, None, error)
    request = body.inner("hiRequest")
    return m.OnHiuHealthInformationRequest(
        request.uuid("transactionId"), request.text_or_none("sessionStatus"), None
    )


def health_information_push_received(body: Fields) -> m.HealthInformationPushReceived:
    """7.5, 9.3: pages count from 0 or 1; `media`, checksum and reference may be missing.

    The key's expiry is not read: peers write it in local time, and records are not refused for it.
    """
    key = body.inner("keyMaterial")
    return m.HealthInformationPushReceived(
        transaction_id=body.uuid("transactionId"),
        page_number=body.integer("pageNumber"),
        page_count=body.integer("pageCount"),
        entries=tuple(
            m.ReceivedEntry(
                care_context_reference=entry.text_or_none("careContextReference") or "",
                content=entry.text_or_none("content"),
                link=entry.text_or_none("link"),
                checksum=entry.text_or_none("checksum") or "",
                media=entry.text_or_none("media") or "",
            )
            for entry in body.items("entries")
        ),
        key_material=m.KeyMaterial(
            public_key=key.inner("dhPublicKey").text("keyValue"),
            nonce=key.text("nonce"),
            algorithm=key.text_or_none("cryptoAlg") or "ECDH",
            curve=key.text_or_none("curve") or "Curve25519",
        ),
    )


def _artefact_ids(holder: Fields) -> tuple[str, ...]:
    # Captures show entries whose id is null; one artefact is named once.
    named = (each for each in holder.items("consentArtefacts") if each.has("id"))
    return tuple(dict.fromkeys(each.uuid("id") for each in named))
