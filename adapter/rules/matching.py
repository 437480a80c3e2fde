"""Who, among the patients on record, is the person that a discovery describes? (architecture 6 B)

Pure. A known ABHA address or a verified ABHA number decides alone. Otherwise a verified mobile
number must agree, and gender, year of birth and name may not contradict: a family often shares one
number, so at least two of the three must be comparable and agree. A record number, which the
patient types unverified, narrows several candidates and never decides. Zero or several left: an
error, never a guess. `matched_by` names only identifier types that ABDM verified (case
USER_INIT_LINK_606).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapter.protocol.errors import MultiplePatients, PatientNotFound
from adapter.protocol.messages import DiscoverCareContexts, Identifier
from adapter.rules.names import similar_names
from adapter.rules.patients import GENDERS, PatientFacts, digits, folded, mobile_digits

_READ = {"MOBILE": mobile_digits, "ABHA_NUMBER": digits, "ABHA_ADDRESS": folded, "MR": folded}


@dataclass(frozen=True)
class Match:
    """The one patient found, and the verified identifier types that agree."""

    patient_id: str
    matched_by: tuple[str, ...]


def verified_values(query: DiscoverCareContexts, kind: str) -> frozenset[str]:
    """The comparable values of one verified identifier type (MOBILE, ABHA_NUMBER, ABHA_ADDRESS)."""
    return _values(query.verified, kind)


def match(
    query: DiscoverCareContexts, candidates: Iterable[PatientFacts], *, age_band: int
) -> Match:
    """The one patient that the query means.

    `candidates`: whoever shares an ABHA address, ABHA number or mobile with the query; more do no
    harm. `age_band`: years that years of birth may differ. Raises PatientNotFound, MultiplePatients
    (neither names a person).
    """
    known = list({c.patient_id: c for c in candidates}.values())
    found = [c for c in known if _by_abha(query, c)]
    found = found or [c for c in known if _by_mobile(query, c, age_band)]
    if len(found) > 1:
        found = _narrowed(query, found) or found
    if not found:
        raise PatientNotFound("No patient on record fits the discovery.")
    if len(found) > 1:
        raise MultiplePatients(
            "Several patients on record fit the discovery: "
            + ", ".join(f"Patient/{c.patient_id}" for c in found)
            + ". Merge them, or put the ABHA address on the right one."
        )
    return Match(found[0].patient_id, _matched_by(query, found[0]))


def possible(
    query: DiscoverCareContexts, known: Iterable[PatientFacts], *, age_band: int
) -> tuple[str, ...]:
    """Ids of everyone who may be the person: shown to the desk, never decided upon."""
    fitting = (c for c in known if _by_abha(query, c) or _by_mobile(query, c, age_band))
    return tuple(dict.fromkeys(c.patient_id for c in fitting))


def _values(identifiers: Sequence[Identifier], kind: str) -> frozenset[str]:
    read = _READ[kind]
    return frozenset(read(i.value) for i in identifiers if i.type == kind) - {""}


def _recorded(known: PatientFacts, kind: str) -> frozenset[str]:
    values = {
        "MOBILE": known.mobiles,
        "ABHA_NUMBER": known.abha_numbers,
        "ABHA_ADDRESS": known.abha_addresses,
        "MR": known.record_numbers,
    }[kind]
    return frozenset(map(_READ[kind], values))


def _by_abha(query: DiscoverCareContexts, known: PatientFacts) -> bool:
    # `patient.id` is the ABHA address that ABDM logged the patient in with: as good as verified.
    addresses = _values(query.verified, "ABHA_ADDRESS") | {folded(query.abha_address)}
    numbers = _values(query.verified, "ABHA_NUMBER")
    return bool(
        _recorded(known, "ABHA_ADDRESS") & addresses or _recorded(known, "ABHA_NUMBER") & numbers
    )


def _by_mobile(query: DiscoverCareContexts, known: PatientFacts, age_band: int) -> bool:
    if not _recorded(known, "MOBILE") & _values(query.verified, "MOBILE"):
        return False
    if known.abha_numbers and _values(query.verified, "ABHA_NUMBER"):
        return False  # both known, and not equal: a relative on the same phone
    verdicts = (
        _same_gender(query.gender, known.gender),
        _same_age(query.year_of_birth, known.birth_year, age_band),
        similar_names([query.name], known.names),
    )
    return False not in verdicts and verdicts.count(True) >= 2


def _same_age(asked: int, recorded: int | None, age_band: int) -> bool | None:
    return None if recorded is None else abs(recorded - asked) <= age_band


def _same_gender(letter: str, recorded: str | None) -> bool | None:
    asked = GENDERS.get(letter, "unknown")
    if "unknown" in (asked, recorded or "unknown"):
        return None
    return asked == recorded


def _narrowed(query: DiscoverCareContexts, found: list[PatientFacts]) -> list[PatientFacts]:
    numbers = _values(query.unverified, "MR") | _values(query.verified, "MR")
    return [c for c in found if _recorded(c, "MR") & numbers]


def _matched_by(query: DiscoverCareContexts, found: PatientFacts) -> tuple[str, ...]:
    types = tuple(
        kind
        for kind in ("ABHA_ADDRESS", "ABHA_NUMBER", "MOBILE")
        if _recorded(found, kind) & _values(query.verified, kind)
    )
    return types or ("ABHA_ADDRESS",)
