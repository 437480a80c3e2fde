"""An ABHA and a patient of this hospital become one: found, chosen or new, never guessed.

    note the profile → match it → claim the patient (SQL) → identifiers and details (FHIR) → settle

The claim comes first, so that two desks can't give one ABHA to two patients, nor one patient two;
a step that was interrupted is repeated by whoever asks again, or by the background (`step`). One
ABHA belongs to one patient (case TAGGING_UNIQUEPATIENTID_UNIQUEABHANUMBER).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from adapter.faults import failure
from adapter.flows import link_tokens
from adapter.protocol.errors import (
    Conflict,
    FhirConflict,
    FhirRejected,
    FhirUnavailable,
    MultiplePatients,
    NotFound,
    PatientNotFound,
    RequestError,
)
from adapter.protocol.messages import (
    DiscoverCareContexts,
    GenerateLinkTokenRequest,
    Identifier,
)
from adapter.rules import abha_patient
from adapter.rules.abha_profile import Profile
from adapter.rules.matching import match, possible
from adapter.rules.patients import digits, read_patient, whole_date
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, audit, outbox
from adapter.stores.abha_profiles import ProfileRow
from adapter.stores.db import Tx

log = structlog.get_logger(__name__)

#: Somebody else may write the same record meanwhile; then it is read again.
TRIES = 3
AGAIN_AFTER = timedelta(minutes=1)
#: "Age within two years" (M0 and M1, section 15): wider than this nobody is even shown.
CANDIDATE_AGE_BAND = 2
#: Who acts where nobody at a desk does.
PATIENT = "patient"


@dataclass(frozen=True)
class Match:
    """Whom a profile is about: one patient on record, or none; else who may be meant."""

    patient_id: str | None
    candidates: tuple[str, ...] = ()


def match_profile(adapter: Adapter, row: ProfileRow) -> Match:
    """Who on record this is, by the rules of discovery; a QR alone decides only by its identifiers.

    Raises FhirUnavailable.
    """
    if row.patient_id is not None:
        return Match(row.patient_id)
    # A link token vouches for the person of a QR, not for the mobile number on it.
    query = _query(row.profile, vouched=row.verified and row.source != "qr")
    if query is None:
        return Match(None)
    known = [read_patient(patient) for patient in _on_record(adapter, row.profile)]
    shown = _query(row.profile, vouched=True) or query
    candidates = possible(shown, known, age_band=CANDIDATE_AGE_BAND)
    try:
        found = match(query, known, age_band=adapter.config.discovery_age_band)
    except (PatientNotFound, MultiplePatients):
        return Match(None, candidates)
    return Match(found.patient_id, candidates)


def link_profile(
    adapter: Adapter,
    profile_id: str,
    *,
    requester: str,
    hip_id: str | None,
    patient_id: str | None = None,
    new: bool = False,
) -> ProfileRow:
    """Make the ABHA that of a patient: the one named, a `new` one, else whoever matches.

    Nobody on record fits: a new patient. Raises NotFound, Conflict (the ABHA or the patient is
    taken, or several may be meant: the sentence names them), FhirUnavailable (claimed: ask again,
    or wait for the background).
    """
    row = _profile(adapter, profile_id)
    target = _target(adapter, row, patient_id, new)
    _claim(adapter, row, target)
    try:
        _write_patient(adapter, row, target)
    except (RequestError, FhirRejected) as error:
        with adapter.db.transaction() as tx:
            abha_profiles.release(tx, profile_id, target, str(error))
        raise
    with adapter.db.transaction() as tx:
        abha_profiles.settle(tx, profile_id, adapter.clock())
        if not row.linked:
            outbox.queue_audit(
                tx,
                adapter,
                audit.abha_linked(adapter, hip_id=hip_id, patient_id=target, user=requester),
            )
        if not row.linked and hip_id is not None and row.source in ("qr", "share"):
            # The desk has no session of the patient's: the token is what it will link with.
            request_token(adapter, tx, hip_id, row.profile)
    adapter.wake()
    return _profile(adapter, profile_id)


def step(adapter: Adapter) -> bool:
    """Make one link that waits for the background; False if none is due."""
    with adapter.db.transaction() as tx:
        profile_id = abha_profiles.claim_due(tx, adapter.clock(), AGAIN_AFTER)
    if profile_id is None:
        return False
    row = _profile(adapter, profile_id)
    hip_id = row.seen_at[-1] if row.seen_at else None
    try:
        link_profile(
            adapter, profile_id, requester=PATIENT, hip_id=hip_id, patient_id=row.patient_id
        )
    except FhirUnavailable:
        log.info("a profile is linked later", profile_id=profile_id)
    except (RequestError, FhirRejected) as error:
        # A person has to choose or to correct; the queue and the profile show the reason.
        log.warning("a profile needs the desk", profile_id=profile_id, **failure(error))
        with adapter.db.transaction() as tx:
            abha_profiles.change(tx, profile_id, due_at=None, sentence=str(error)[:500])
    return True


def request_token(adapter: Adapter, tx: Tx, hip_id: str, profile: Profile) -> None:
    """Ask for a link token with what the profile says, in the background; nothing if that can't be
    done (no address, no year of birth)."""
    year = profile.year_of_birth
    if not (profile.health_id and profile.name and profile.gender and year):
        return
    request = GenerateLinkTokenRequest(
        abha_address=profile.health_id,
        abha_number=digits(profile.abha_number) if profile.abha_number else None,
        name=profile.name,
        gender=profile.gender,
        year_of_birth=year,
        birth_date=whole_date(profile.date_of_birth),
        mobile=profile.full_mobile,
    )
    link_tokens.ask_for_token(adapter, tx, hip_id, request)


def _profile(adapter: Adapter, profile_id: str) -> ProfileRow:
    with adapter.db.reading() as tx:
        row = abha_profiles.by_id(tx, adapter, profile_id)
    if row is None:
        raise NotFound("There is no ABHA profile with this id.")
    return row


def _target(adapter: Adapter, row: ProfileRow, patient_id: str | None, new: bool) -> str:
    """The id of the patient to link with."""
    if not row.active:
        raise Conflict("This ABHA is deactivated; the patient has to reactivate it first.")
    if row.patient_id is not None and patient_id not in (None, row.patient_id):
        raise Conflict(
            f"This ABHA belongs to Patient/{row.patient_id}; one ABHA belongs to one patient. If "
            f"both records are one person's, merge them."
        )
    if row.patient_id is not None:
        return row.patient_id
    if patient_id is not None:
        return patient_id
    made = f"abha-{row.id}"
    if new:
        return made
    found = match_profile(adapter, row)
    if found.patient_id is None and found.candidates:
        raise Conflict(
            "Several records may be this person's: "
            + ", ".join(f"Patient/{each}" for each in found.candidates)
            + ". Choose one, or say that the patient is new."
        )
    return found.patient_id or made


def _claim(adapter: Adapter, row: ProfileRow, target: str) -> None:
    with adapter.db.transaction() as tx:
        if abha_profiles.claim(tx, row.id, target, adapter.clock() + AGAIN_AFTER):
            return
        present = abha_profiles.by_id(tx, adapter, row.id)
    if present is not None and present.patient_id not in (None, target):
        raise Conflict(
            f"This ABHA was just linked to Patient/{present.patient_id}; one ABHA belongs to one "
            "patient. If both records are one person's, merge them."
        )
    raise Conflict(
        f"Patient/{target} has another ABHA already; choose another patient, or merge the two ABHA "
        "numbers at ABDM."
    )


def _write_patient(adapter: Adapter, row: ProfileRow, target: str) -> None:
    """The identifiers, and what the record lacks, onto the patient's record."""
    _require_free(adapter, row.profile, target)
    for attempt in range(1, TRIES + 1):
        patient = adapter.fhir.patient(target)
        if patient is None and target != f"abha-{row.id}":
            raise NotFound(f"There is no patient {target} on record.")
        made = (
            abha_patient.new_patient(target, row.profile)
            if patient is None
            else abha_patient.enriched(patient, row.profile)
        )
        if made == patient:
            return
        version = (patient or {}).get("meta", {}).get("versionId")
        try:
            adapter.fhir.write([(made, version)], [])
            return
        except FhirConflict:
            if attempt == TRIES:
                raise


def _require_free(adapter: Adapter, profile: Profile, target: str) -> None:
    """Raises Conflict where another record carries this ABHA already."""
    others = [
        patient["id"]
        for patient in adapter.fhir.find_patients(
            abha_number=profile.abha_number, abha_address=profile.health_id
        )
        if patient["id"] != target
    ]
    if others:
        raise Conflict(
            f"{', '.join(f'Patient/{each}' for each in others)} carries this ABHA already; link "
            f"with that record, or merge it with Patient/{target}."
        )


def _on_record(adapter: Adapter, profile: Profile) -> list[dict[str, Any]]:
    return adapter.fhir.find_patients(
        abha_number=profile.abha_number,
        abha_address=profile.health_id,
        mobile=profile.full_mobile,
    )


def _query(profile: Profile, *, vouched: bool) -> DiscoverCareContexts | None:
    """The profile as a discovery: what ABDM vouches for counts as verified."""
    if not (profile.abha_number or profile.health_id):
        return None
    verified = []
    if profile.abha_number:
        verified.append(Identifier("ABHA_NUMBER", profile.abha_number))
    if profile.full_mobile and vouched:
        verified.append(Identifier("MOBILE", profile.full_mobile))
    return DiscoverCareContexts(
        transaction_id="",
        # An address that nobody has must not match a record without one.
        abha_address=profile.health_id or "@",
        verified=tuple(verified),
        unverified=(),
        name=profile.name or "",
        gender=profile.gender or "U",
        year_of_birth=profile.year_of_birth or 0,
    )
