"""Objects as CARE words them: HealthFacility, ConsentRequest, ConsentArtefact, AbhaNumber. Pure.

Field names are those of CARE's serializers, and CARE's front end reads no others. What the adapter
does not keep is null. States that CARE has no word for (FAILED, REFUSED) are passed on as they are:
to call them DENIED would put the blame on the patient.
Sources: `conformance/care-endpoints.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter.protocol import timestamps
from adapter.rules.states import ConsentRequestState, HiuArtefactState
from adapter.stores.abha_profiles import ProfileRow
from adapter.stores.facilities import Facility

Json = dict[str, Any]

_STATUS: dict[str, str] = {
    ConsentRequestState.CREATED: "REQUESTED",
    HiuArtefactState.NOTIFIED: "REQUESTED",
}
_ENDED = frozenset({HiuArtefactState.ARCHIVED, HiuArtefactState.ERASED})

_CONSENT = (
    "id",
    "consent_id",
    "patient_abha",
    "purpose",
    "hi_types",
    "access_mode",
    "from_time",
    "to_time",
    "expiry",
    "frequency_unit",
    "frequency_value",
    "frequency_repeats",
    "hip",
    "hiu",
    "created_date",
    "modified_date",
)
_ABHA = (
    "abha_number",
    "health_id",
    "name",
    "first_name",
    "middle_name",
    "last_name",
    "gender",
    "date_of_birth",
    "address",
    "district",
    "state",
    "pincode",
    "mobile",
    "email",
    "profile_photo",
)


def health_facility(row: Facility) -> Json:
    """A facility; `detail` says why it is not registered."""
    at = timestamps.format(row.registered_at) if row.registered_at else None
    return {
        "id": row.hfr_id,
        "external_id": row.hfr_id,
        "created_date": at,
        "modified_date": at,
        "hf_id": row.hfr_id,
        "facility": row.facility_id or row.hfr_id,
        "registered": row.registered,
        "detail": row.sentence,
    }


def consent_request(described: Json, known: Mapping[str, ProfileRow]) -> Json:
    """A request as `consent_lookup` describes it; `known`: ABHA profiles by address."""
    address = described.get("patient_abha")
    return {
        **_consent(described),
        "requester": _user(described["requested_by"]),
        "patient_abha_object": _patient_abha(described, known.get(address or "")),
        "consent_artefacts": [consent_artefact(each) for each in described["consent_artefacts"]],
    }


def consent_artefact(described: Json) -> Json:
    """An artefact as `consent_lookup` describes it."""
    return {
        **_consent(described),
        "consent_request": described["consent_request"],
        "cm": described.get("cm"),
        "requester": described.get("requester"),
    }


def abha_number(row: ProfileRow) -> Json:
    """A profile, without its tokens."""
    patient = row.patient_id if row.linked else None
    return {
        "id": row.id,
        "external_id": row.id,
        "created_date": timestamps.format(row.created_at),
        "modified_date": timestamps.format(row.updated_at),
        **{name: getattr(row.profile, name) for name in _ABHA},
        "new": row.new,
        "patient": patient,
        "patient_object": {"id": patient, "name": row.profile.name} if patient else None,
    }


def _consent(described: Json) -> Json:
    return {
        **{name: described.get(name) for name in _CONSENT},
        "status": _status(described),
        "hi_types": described.get("hi_types") or [],
        "care_contexts": described.get("care_contexts") or [],
    }


def _status(described: Json) -> str:
    """CARE's word; archived and erased records are to CARE why they went: REVOKED or EXPIRED."""
    status = str(described["status"])
    if status in _ENDED and described["reason"]:
        return str(described["reason"])
    return _STATUS.get(status, status)


def _user(name: str) -> Json:
    """Who asked, as CARE's User: one name is all that is known, and it stands undivided."""
    return {"id": None, "username": name, "first_name": name, "last_name": "", "user_type": None}


def _patient_abha(described: Json, row: ProfileRow | None) -> Json:
    patient, name = described["patient"], described["patient_name"]
    made = abha_number(row) if row else _unknown(described.get("patient_abha"), name)
    who = {"id": patient, "name": name} if patient else None
    return made | {"patient": patient, "patient_object": who}


def _unknown(address: str | None, name: str | None) -> Json:
    """Of a patient whose ABHA was never shown here, only the address is known."""
    dates = dict.fromkeys(("id", "external_id", "created_date", "modified_date"))
    return {**dates, **dict.fromkeys(_ABHA), "health_id": address, "name": name, "new": False}
