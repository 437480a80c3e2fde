"""Structures that several V3 messages share, read from their JSON and written as it (3.2).

Rules of reading as in `v3_decode.py`. Pure.
"""

from __future__ import annotations

from typing import Any, cast

from adapter.protocol import messages as m
from adapter.protocol import timestamps
from adapter.protocol.refusals import trimmed_code
from adapter.protocol.wire import Fields

_NOTICES = ("GRANTED", "REVOKED", "EXPIRED", "DENIED", "REQUESTED")

# Seen on the push of every peer; nobody validates it (9.2).
_KEY_PARAMETERS = "Curve25519/32byte random key"


def error(body: Fields) -> m.ErrorObject | None:
    """ErrorObject: None where there is none, or one that says nothing."""
    stated = body.inner_or_none("error")
    if stated is None:
        return None
    code, message = stated.text_or_none("code"), stated.text_or_none("message")
    if code is None and message is None:
        return None
    return m.ErrorObject(trimmed_code(code or ""), (message or "").strip())


def notice(holder: Fields, name: str = "status") -> m.ConsentNotice:
    """The state that a consent message tells, in any case."""
    status = holder.text(name).strip().upper()
    if status not in _NOTICES:
        raise holder.fault(name, f"must be one of {', '.join(_NOTICES)}")
    # Checked against _NOTICES just now; the type checker cannot follow.
    return cast("m.ConsentNotice", status)


def date_range(holder: Fields) -> m.DateRange:
    """DateRange, the member `dateRange` of `holder`."""
    dates = holder.inner("dateRange")
    return m.DateRange(dates.time("from"), dates.time("to"))


def key_material(key: Fields) -> m.KeyMaterial:
    """KeyMaterial; algorithm and curve as stated."""
    public = key.inner("dhPublicKey")
    return m.KeyMaterial(
        public_key=public.text("keyValue"),
        nonce=key.text("nonce"),
        expiry=public.time_or_none("expiry"),
        algorithm=key.text("cryptoAlg"),
        curve=key.text("curve"),
    )


def artefact(detail: Fields) -> m.ConsentArtefact:
    """ConsentDetail, common to the HIP's notice and the HIU's fetch."""
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
            date_range=date_range(permission),
            data_erase_at=erase_at,
            frequency=_frequency(frequency) if frequency else None,
        ),
        created_at=detail.time_or_none("createdAt"),
        verbatim=detail.verbatim(),
    )


def _frequency(frequency: Fields) -> m.Frequency:
    repeats = frequency.integer("repeats") if frequency.has("repeats") else 0
    return m.Frequency(frequency.text("unit"), frequency.integer("value"), repeats)


def written_date_range(dates: m.DateRange) -> dict[str, Any]:
    """DateRange as it leaves."""
    return {"from": timestamps.format(dates.start), "to": timestamps.format(dates.end)}


def written_key_material(key: m.KeyMaterial) -> dict[str, Any]:
    """KeyMaterial as it leaves; raises ValueError where its expiry is not set."""
    if key.expiry is None:
        raise ValueError("key material that leaves needs its expiry")
    return {
        "cryptoAlg": key.algorithm,
        "curve": key.curve,
        "dhPublicKey": {
            "expiry": timestamps.format(key.expiry),
            "parameters": _KEY_PARAMETERS,
            "keyValue": key.public_key,
        },
        "nonce": key.nonce,
    }
