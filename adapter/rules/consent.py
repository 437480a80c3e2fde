"""May this consent artefact serve this request now? Pure: facts in, permission or refusal out.

Checked when a request comes in and again before each page leaves (architecture 1, rule 6). Expiry
goes by our clock without any leeway. A date range wider than consented is refused, never cut:
the requester would otherwise take a part for the whole (V3 contract 6.7). Frequency is recorded
with the artefact and not enforced: what it means is unpublished.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from adapter.protocol.errors import (
    CareContextNotFound,
    ConsentExpired,
    ConsentNotGranted,
    ConsentRevoked,
    DateRangeNotPermitted,
    ProtocolError,
)
from adapter.protocol.messages import CareContextRef, DateRange
from adapter.rules.states import ConsentState


@dataclass(frozen=True)
class ConsentFacts:
    """What the stored artefact says. Once it has ended, only id, state and HIP are left of it."""

    artefact_id: str
    state: ConsentState
    hip_id: str | None
    hiu_id: str | None = None
    patient_address: str = ""
    hi_types: tuple[str, ...] = ()
    care_contexts: tuple[CareContextRef, ...] = ()
    date_range: DateRange | None = None
    erase_at: datetime | None = None
    purpose_code: str | None = None


@dataclass(frozen=True)
class Permitted:
    """What may leave: care context references in the artefact's order, and HI types."""

    care_contexts: tuple[str, ...]
    hi_types: tuple[str, ...]


def check_live(consent: ConsentFacts, hip_id: str | None, now: datetime) -> None:
    """Whether the artefact is in force at this moment, for this HIP.

    Raises ConsentRevoked, ConsentExpired or ConsentNotGranted.
    """
    if consent.hip_id is not None and consent.hip_id != hip_id:
        # Before the state: another facility's artefact tells nothing about itself.
        raise ConsentNotGranted(
            "The consent was given for another facility; ask the HIU to request it from this one."
        )
    if consent.state is ConsentState.REVOKED:
        raise ConsentRevoked("The patient withdrew this consent; a new one is needed.")
    if consent.state is ConsentState.EXPIRED:
        raise ConsentExpired("This consent has expired; a new one is needed.")
    if consent.state is not ConsentState.GRANTED:
        raise ConsentNotGranted("This consent is not granted.")
    if consent.erase_at is None or consent.date_range is None:
        raise ConsentNotGranted(
            "The stored artefact has no end date or no date range; ask the HIU for a new consent."
        )
    if now >= consent.erase_at:
        raise ConsentExpired("This consent's end date has passed; a new one is needed.")


def may_serve(
    consent: ConsentFacts,
    *,
    hip_id: str | None,
    requested: DateRange,
    offered_hi_types: Collection[str],
    now: datetime,
) -> Permitted:
    """What this request may have under this consent now.

    `offered_hi_types`: the HI types this facility can make at all; an artefact that names none of
    them permits nothing. Raises what `check_live` raises, DateRangeNotPermitted (wider than
    consented, or backwards), ConsentNotGranted (no HI type of ours), CareContextNotFound (the
    artefact names no care context).
    """
    check_live(consent, hip_id, now)
    permitted = consent.date_range
    start, end = _milliseconds(requested.start), _milliseconds(requested.end)
    if permitted is None or not permitted.start <= start <= end <= permitted.end:
        raise DateRangeNotPermitted(
            "The dates asked for are not inside the dates the patient permitted."
        )
    hi_types = tuple(t for t in dict.fromkeys(consent.hi_types) if t in offered_hi_types)
    if not hi_types:
        raise ConsentNotGranted("The consent permits none of the HI types that this facility has.")
    references = tuple(dict.fromkeys(c.care_context_reference for c in consent.care_contexts))
    if not references:
        raise CareContextNotFound("The consent names no care context of this facility.")
    return Permitted(references, hi_types)


def still_live(consent: ConsentFacts, hip_id: str | None, now: datetime) -> ProtocolError | None:
    """Why nothing more may leave under this consent, or None while it is in force."""
    try:
        check_live(consent, hip_id, now)
    except ProtocolError as ended:
        return ended
    return None


def _milliseconds(moment: datetime) -> datetime:
    """As precise as the stored artefact's times, so that the artefact's own range fits in it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
