"""Our consent requests and the artefacts given to us, for whoever may see them: every field.

Field names are those of the specification's ConsentRequest and ConsentArtefact. The one field never
shown is `key_material_private_key`. States and times come from SQL, what was asked for from the
FHIR Consent, what was granted from the artefact as it was fetched. Nothing here changes anything;
what belongs to none of the caller's facilities does not exist for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import orjson

from adapter.protocol import timestamps
from adapter.protocol.errors import MalformedRequest, NotFound
from adapter.protocol.messages import CareContextRef, Permission, Requester
from adapter.rules import hiu_consent_resource
from adapter.rules.patients import read_patient
from adapter.rules.states import ConsentRequestState
from adapter.runtime import Adapter
from adapter.stores import consent_requests, hiu_artefacts, incoming
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.hiu_artefacts import HiuArtefact

Json = dict[str, Any]


def requests(
    adapter: Adapter,
    hiu_ids: Collection[str],
    *,
    patient_id: str | None = None,
    state: str | None = None,
    limit: int = 50,
) -> list[Json]:
    """The newest requests of these facilities, without their artefacts.

    Raises MalformedRequest (no such state), FhirUnavailable.
    """
    known = {str(each): each for each in ConsentRequestState}
    if state is not None and state not in known:
        raise MalformedRequest(f"state must be one of {', '.join(known)}.")
    with adapter.db.reading() as tx:
        rows = consent_requests.of_facilities(
            tx, hiu_ids, patient_id=patient_id, state=known.get(state or ""), limit=limit
        )
    return _described(adapter, rows)


def page(
    adapter: Adapter,
    hiu_ids: Collection[str],
    *,
    patient_id: str | None = None,
    limit: int,
    offset: int,
) -> tuple[int, list[Json]]:
    """How many requests there are, and some of them with their artefacts, the newest first.

    Raises FhirUnavailable.
    """
    with adapter.db.reading() as tx:
        count = consent_requests.count_of_facilities(tx, hiu_ids, patient_id=patient_id)
        rows = consent_requests.of_facilities(
            tx, hiu_ids, patient_id=patient_id, limit=limit, offset=offset
        )
        artefacts = {row.id: hiu_artefacts.of_request(tx, row.id) for row in rows}
    described = _described(adapter, rows)
    for each in described:
        each["consent_artefacts"] = [_artefact(adapter, row) for row in artefacts[each["id"]]]
    return count, described


def request(adapter: Adapter, request_id: str, hiu_ids: Collection[str]) -> Json:
    """One request with its artefacts, by our id or ABDM's. Raises NotFound, FhirUnavailable."""
    with adapter.db.reading() as tx:
        row = consent_requests.by_id(tx, request_id) or consent_requests.by_abdm_id(tx, request_id)
        if row is None or row.hiu_id not in hiu_ids:
            raise NotFound("Your facilities have raised no consent request with this id.")
        artefacts = hiu_artefacts.of_request(tx, row.id)
    (described,) = _described(adapter, [row])
    described["consent_artefacts"] = [_artefact(adapter, each) for each in artefacts]
    return described


def artefact(adapter: Adapter, artefact_id: str, hiu_ids: Collection[str]) -> Json:
    """One artefact given to these facilities. Raises NotFound."""
    with adapter.db.reading() as tx:
        row = hiu_artefacts.by_id(tx, artefact_id.lower())
    if row is None or row.hiu_id not in hiu_ids:
        raise NotFound("Your facilities were given no consent artefact with this id.")
    return _artefact(adapter, row)


def _described(adapter: Adapter, rows: Sequence[ConsentRequest]) -> list[Json]:
    names = {row.id: hiu_consent_resource.request_id(row.id) for row in rows}
    consents = adapter.fhir.consents(names.values())
    patients = adapter.fhir.patients(row.patient_id for row in rows if row.patient_id)
    described = []
    for row in rows:
        consent = consents.get(names[row.id])
        patient = patients.get(row.patient_id or "")
        init = hiu_consent_resource.asked(consent)
        described.append(
            {
                "id": row.id,
                "consent_id": row.abdm_id,
                "status": str(row.state),
                "reason": row.sentence,
                "error": row.error,
                "created_date": timestamps.format(row.created_at),
                "modified_date": hiu_consent_resource.status_at(consent)
                or timestamps.format(row.created_at),
                "ended_date": _time(row.done_at),
                "patient": row.patient_id,
                "patient_name": next(iter(read_patient(patient).names), None) if patient else None,
                "requested_by": row.requester,
                "hiu": row.hiu_id,
                **(
                    {
                        "patient_abha": init.abha_address,
                        "purpose": init.purpose_code,
                        "purpose_text": init.purpose_text,
                        "hi_types": list(init.hi_types),
                        "hip": init.hip_id,
                        "care_contexts": _care_contexts(init.care_contexts),
                        **_requester(init.requester),
                        **_permission(init.permission),
                    }
                    if init
                    else {}
                ),
            }
        )
    return described


def _artefact(adapter: Adapter, row: HiuArtefact) -> Json:
    with adapter.db.reading() as tx:
        fetched = hiu_artefacts.content(tx, adapter, row.id)
        transfer = incoming.newest_under(tx, adapter, row.id)
    transaction_id = transfer.transaction_id if transfer else None
    changed = max(filter(None, (row.created_at, row.asked_at, row.ended_at, row.archived_at)))
    described: Json = {
        "id": row.id,
        "consent_request": row.request_id,
        # The specification keeps the transaction of the transfer under this name.
        "consent_id": transaction_id,
        "transaction_id": transaction_id,
        "status": str(row.state),
        "reason": str(row.reason) if row.reason else row.sentence,
        "error": row.error,
        "created_date": timestamps.format(row.created_at),
        "modified_date": timestamps.format(changed),
        "ended_date": _time(row.ended_at),
        "archived_date": _time(row.archived_at),
        "patient": row.patient_id,
        "hip": row.hip_id,
        "hiu": row.hiu_id,
        "expiry": _time(row.erase_at),
        "key_material_algorithm": "ECDH" if transfer else None,
        "key_material_curve": "Curve25519" if transfer else None,
        "key_material_public_key": transfer.public_key if transfer else None,
        "key_material_nonce": transfer.nonce if transfer else None,
    }
    granted = fetched.artefact if fetched else None
    if fetched is None or granted is None:
        return described
    return {
        **described,
        "patient_abha": granted.patient_id,
        "purpose": granted.purpose_code,
        "purpose_text": granted.purpose_text,
        "hi_types": list(granted.hi_types),
        "care_contexts": _care_contexts(granted.care_contexts),
        "requester": granted.requester_name,
        "cm": granted.consent_manager_id,
        **_permission(granted.permission),
        "signature": fetched.signature,
        "artefact": orjson.loads(granted.verbatim),
    }


def _care_contexts(contexts: Sequence[CareContextRef]) -> list[Json]:
    return [
        {
            "patientReference": each.patient_reference,
            "careContextReference": each.care_context_reference,
        }
        for each in contexts
    ]


def _requester(requester: Requester) -> Json:
    return {
        "requester": requester.name,
        "requester_identifier": {
            "type": requester.identifier_type,
            "value": requester.identifier_value,
            "system": requester.identifier_system,
        },
    }


def _permission(permission: Permission) -> Json:
    frequency = permission.frequency
    return {
        "access_mode": permission.access_mode,
        "from_time": timestamps.format(permission.date_range.start),
        "to_time": timestamps.format(permission.date_range.end),
        "expiry": timestamps.format(permission.data_erase_at),
        "frequency_unit": frequency.unit if frequency else None,
        "frequency_value": frequency.value if frequency else None,
        "frequency_repeats": frequency.repeats if frequency else None,
    }


def _time(moment: datetime | None) -> str | None:
    return timestamps.format(moment) if moment else None
