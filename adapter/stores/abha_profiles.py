"""SQL of ABHA profiles: who a person is by ABDM's word, their tokens, and which patient they are.

Everything told of the person is sealed, tokens with it; ABHA number and address stand open, since
each may be here once. An ABHA is claimed for a patient before FHIR is written (`claim`), so two
desks can't give one to two patients, nor two to one. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.exc import IntegrityError

from adapter.protocol.abha import UserTokens
from adapter.protocol.errors import Conflict
from adapter.rules.abha_profile import Profile, merged
from adapter.rules.patients import digits, folded
from adapter.stores.db import Tx, abha_profile, abha_transaction, queue_token

if TYPE_CHECKING:
    from adapter.runtime import Adapter


@dataclass(frozen=True)
class Tokens:
    """A patient's tokens with their ends. Never log. `of_address`: of a login by ABHA address;
    `hip_id`: the facility whose ABHA service gave them."""

    token: str
    expires_at: datetime
    refresh_token: str | None = None
    refresh_expires_at: datetime | None = None
    of_address: bool = False
    hip_id: str = ""


@dataclass(frozen=True)
class ProfileRow:
    """One profile, opened. `new`: the ABHA was created here; `verified`: an OTP or ABDM itself
    vouched for the person; `seen_at`: service ids of the facilities it was shown to."""

    id: str
    profile: Profile
    source: str
    created_at: datetime
    updated_at: datetime
    patient_id: str | None = None
    linked_at: datetime | None = None
    due_at: datetime | None = None
    new: bool = False
    verified: bool = False
    active: bool = True
    seen_at: tuple[str, ...] = ()
    tokens: Tokens | None = None
    consent: dict[str, Any] | None = None
    sentence: str | None = None

    @property
    def linked(self) -> bool:
        """Whether the patient's record carries this ABHA."""
        return self.patient_id is not None and self.linked_at is not None


#: Long enough to find the patient of a profile, short enough not to collect people.
UNLINKED_RETENTION = timedelta(days=30)

_PROFILE = TypeAdapter(Profile)
_TOKENS = TypeAdapter(Tokens)


def ends(adapter: Adapter, given: UserTokens, *, hip_id: str, of_address: bool = False) -> Tokens:
    """Tokens just given at a facility, with the times at which they end."""
    now = adapter.clock()
    return Tokens(
        given.token,
        now + timedelta(seconds=given.seconds),
        given.refresh_token,
        now + timedelta(seconds=given.refresh_seconds) if given.refresh_token else None,
        of_address,
        hip_id,
    )


def note(
    tx: Tx,
    adapter: Adapter,
    told: Profile,
    *,
    source: str,
    hip_id: str,
    verified: bool,
    tokens: Tokens | None = None,
    new: bool = False,
    consent: dict[str, Any] | None = None,
) -> ProfileRow:
    """Keep what was told of a person: the row of this ABHA number or address, or a new one.

    What is known already stays where nothing newer is told; an unverified source (a QR) changes
    nothing of a verified profile. Raises Conflict where number and address belong to two people.
    """
    now = adapter.clock()
    new_row = ProfileRow(str(uuid4()), told, source, now, now)
    row = _same_person(tx, adapter, told, verified)
    if row is None and not _insert(tx, adapter, _told(new_row, told, source, verified, hip_id)):
        row = _same_person(tx, adapter, told, verified)  # another desk was quicker
    row = _told(row or new_row, told, source, verified, hip_id)
    row = replace(
        row,
        updated_at=now,
        new=row.new or new,
        tokens=tokens or row.tokens,
        consent=consent or row.consent,
    )
    put(tx, adapter, row)
    return row


def _told(row: ProfileRow, told: Profile, source: str, verified: bool, hip_id: str) -> ProfileRow:
    """The row after `told`: what is vouched for replaces all that a mere QR said, never vice versa.

    Else a QR of somebody's own making could put another's mobile number on a verified profile. A
    link token vouches for the identifiers of a QR, and for no more.
    """
    row = replace(row, seen_at=tuple(dict.fromkeys((*row.seen_at, hip_id))))
    if row.verified and not verified:
        return row
    known = row.profile
    if verified and row.source == "qr":
        vouched_for = (known.abha_number, known.health_id) if row.verified else (None, None)
        known = Profile(*vouched_for)
    profile = merged(known, told)
    active = row.active if told.status is None else told.active
    return replace(row, profile=profile, source=source, verified=verified, active=active)


def put(tx: Tx, adapter: Adapter, row: ProfileRow) -> None:
    """Replace the row of this id; whom it is claimed for is left as it is."""
    where = abha_profile.c.id == row.id
    tx.execute(sa.update(abha_profile).where(where).values(_values(adapter, row)))


def _insert(tx: Tx, adapter: Adapter, row: ProfileRow) -> bool:
    """Insert a row unless its ABHA number or address is there already; whether it was."""
    return adapter.db.insert_new(tx, abha_profile, _values(adapter, row))


def _values(adapter: Adapter, row: ProfileRow) -> dict[str, Any]:
    profile = row.profile
    return {
        "id": row.id,
        "abha_number": digits(profile.abha_number) if profile.abha_number else None,
        "abha_address": folded(profile.health_id) if profile.health_id else None,
        "due_at": row.due_at,
        "source": row.source,
        "new": row.new,
        "verified": row.verified,
        "active": row.active,
        "seen_at": list(row.seen_at),
        "profile": adapter.sealer.seal(_PROFILE.dump_json(profile)),
        "tokens": adapter.sealer.seal(_TOKENS.dump_json(row.tokens)) if row.tokens else None,
        "consent": row.consent,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "sentence": row.sentence,
    }


def claim(tx: Tx, profile_id: str, patient_id: str, due_at: datetime) -> bool:
    """Claim this ABHA for a patient; False where it is another's, or the patient has another.

    `due_at`: when the background makes the link, should whoever claims it be interrupted.
    """
    held = tx.scalar(
        sa.select(abha_profile.c.id).where(
            abha_profile.c.patient_id == patient_id, abha_profile.c.id != profile_id
        )
    )
    if held is not None:
        return False
    free = sa.or_(abha_profile.c.patient_id.is_(None), abha_profile.c.patient_id == patient_id)
    taking = (
        sa.update(abha_profile)
        .where(abha_profile.c.id == profile_id, free)
        .values(patient_id=patient_id, due_at=due_at)
    )
    try:
        with tx.begin_nested():
            return tx.execute(taking).rowcount == 1
    except IntegrityError:
        return False  # the patient was claimed for another ABHA at this moment


def settle(tx: Tx, profile_id: str, now: datetime) -> None:
    """The claimed patient's record carries this ABHA now."""
    tx.execute(
        sa.update(abha_profile)
        .where(abha_profile.c.id == profile_id, abha_profile.c.patient_id.is_not(None))
        .values(
            linked_at=sa.func.coalesce(abha_profile.c.linked_at, now), due_at=None, sentence=None
        )
    )


def release(tx: Tx, profile_id: str, patient_id: str, sentence: str) -> None:
    """Give a claim back that led to nothing; a link that was made stays."""
    tx.execute(
        sa.update(abha_profile)
        .where(
            abha_profile.c.id == profile_id,
            abha_profile.c.patient_id == patient_id,
            abha_profile.c.linked_at.is_(None),
        )
        .values(patient_id=None, due_at=None, sentence=sentence[:500])
    )


def change(tx: Tx, profile_id: str, **values: Any) -> None:
    """Change open columns (`due_at`, `sentence`, `active`)."""
    tx.execute(sa.update(abha_profile).where(abha_profile.c.id == profile_id).values(values))


def vouched(tx: Tx, abha_address: str) -> None:
    """ABDM compared the person's details with the ABHA and gave a link token."""
    address = abha_profile.c.abha_address == folded(abha_address)
    tx.execute(sa.update(abha_profile).where(address).values(verified=True, sentence=None))


def doubted(tx: Tx, abha_address: str, sentence: str, *, active: bool) -> None:
    """ABDM gave no link token, for the reason in `sentence`; not `active`: it is deactivated."""
    address = abha_profile.c.abha_address == folded(abha_address)
    values = {"sentence": sentence[:500]} | ({} if active else {"active": False})
    tx.execute(sa.update(abha_profile).where(address).values(values))


def reactivated(tx: Tx, abha_address: str) -> None:
    """The holder has their ABHA back."""
    address = abha_profile.c.abha_address == folded(abha_address)
    tx.execute(sa.update(abha_profile).where(address).values(active=True, sentence=None))


def by_id(tx: Tx, adapter: Adapter, profile_id: str, *, hold: bool = False) -> ProfileRow | None:
    """The profile of this id; `hold`: until the transaction ends, since it will be changed."""
    return _one(tx, adapter, abha_profile.c.id == profile_id, hold=hold)


def by_patient(tx: Tx, adapter: Adapter, patient_id: str) -> ProfileRow | None:
    """The profile claimed for a patient."""
    return _one(tx, adapter, abha_profile.c.patient_id == patient_id, hold=False)


def of_patients(tx: Tx, adapter: Adapter, patient_ids: Collection[str]) -> dict[str, Profile]:
    """The profiles linked to these patients, by the patient's id."""
    if not patient_ids:
        return {}
    query = sa.select(abha_profile).where(
        abha_profile.c.patient_id.in_(patient_ids), abha_profile.c.linked_at.is_not(None)
    )
    return {row.patient_id: _row(adapter, row).profile for row in tx.execute(query)}


def by_identifiers(
    tx: Tx, adapter: Adapter, abha_number: str | None, address: str | None, *, hold: bool = True
) -> list[ProfileRow]:
    """Every profile with this ABHA number or this ABHA address: at most two; `hold`: until the
    transaction ends."""
    wanted = []
    if abha_number:
        wanted.append(abha_profile.c.abha_number == digits(abha_number))
    if address:
        wanted.append(abha_profile.c.abha_address == folded(address))
    if not wanted:
        return []
    query = sa.select(abha_profile).where(sa.or_(*wanted)).order_by(abha_profile.c.created_at)
    return [_row(adapter, row) for row in tx.execute(query.with_for_update() if hold else query)]


def claim_due(tx: Tx, now: datetime, again_after: timedelta) -> str | None:
    """The id of a profile whose link is due, put off for a while so that one worker makes it."""
    due = abha_profile.c.due_at <= now
    query = sa.select(abha_profile.c.id).where(due).order_by(abha_profile.c.due_at).limit(1)
    profile_id: str | None = tx.scalar(query.with_for_update(skip_locked=True))
    if profile_id is not None:
        change(tx, profile_id, due_at=now + again_after)
    return profile_id


def forget(tx: Tx, now: datetime) -> None:
    """Delete profiles that nobody linked with a patient in a month, nor uses otherwise."""
    unused = [
        abha_profile.c.id.not_in(
            sa.select(table.c.profile_id).where(table.c.profile_id.is_not(None))
        )
        for table in (abha_transaction, queue_token)
    ]
    tx.execute(
        sa.delete(abha_profile).where(
            abha_profile.c.patient_id.is_(None),
            abha_profile.c.updated_at <= now - UNLINKED_RETENTION,
            *unused,
        )
    )


def seen_by(row: ProfileRow, hip_ids: Collection[str]) -> bool:
    """Whether one of these facilities has been shown the profile."""
    return bool(set(row.seen_at) & set(hip_ids))


def _same_person(tx: Tx, adapter: Adapter, told: Profile, verified: bool) -> ProfileRow | None:
    found = by_identifiers(tx, adapter, told.abha_number, told.health_id)
    if verified:
        found = [row for row in found if not _yields(tx, adapter, row, told)]
    if not found:
        return None
    numbers = {digits(p.abha_number) for p in (told, *(r.profile for r in found)) if p.abha_number}
    if len(numbers) > 1:
        raise Conflict(
            "This ABHA address is known here with another ABHA number; have the patient show the "
            "ABHA number in their app."
        )
    return found[0] if len(found) == 1 else _united(tx, *found)


def _yields(tx: Tx, adapter: Adapter, row: ProfileRow, told: Profile) -> bool:
    """Whether a row that only a QR vouched for gave way: it claimed an address with another number.

    Else anybody could keep a person out by showing a QR of their own making.
    """
    known = row.profile
    if row.verified or row.patient_id or not (known.abha_number and told.abha_number):
        return False
    if digits(known.abha_number) == digits(told.abha_number):
        return False
    put(tx, adapter, replace(row, profile=replace(known, health_id=None)))
    return True


def _united(tx: Tx, one: ProfileRow, other: ProfileRow) -> ProfileRow:
    """One row of two: the address was seen before its number was."""
    kept, gone = (one, other) if one.profile.abha_number else (other, one)
    if kept.patient_id and gone.patient_id:
        raise Conflict(
            "This ABHA number and this ABHA address are linked to two patients here; merge "
            f"Patient/{kept.patient_id} and Patient/{gone.patient_id} first."
        )
    for table in (abha_transaction, queue_token):
        tx.execute(sa.update(table).where(table.c.profile_id == gone.id).values(profile_id=kept.id))
    tx.execute(sa.delete(abha_profile).where(abha_profile.c.id == gone.id))
    if gone.patient_id:
        change(tx, kept.id, patient_id=gone.patient_id, linked_at=gone.linked_at)
        kept = replace(kept, patient_id=gone.patient_id, linked_at=gone.linked_at)
    return replace(
        kept,
        profile=merged(gone.profile, kept.profile),
        tokens=kept.tokens or gone.tokens,
        seen_at=tuple(dict.fromkeys((*kept.seen_at, *gone.seen_at))),
    )


def _one(
    tx: Tx, adapter: Adapter, where: sa.ColumnElement[bool], *, hold: bool
) -> ProfileRow | None:
    query = sa.select(abha_profile).where(where)
    row = tx.execute(query.with_for_update() if hold else query).one_or_none()
    return None if row is None else _row(adapter, row)


def _row(adapter: Adapter, row: sa.Row[Any]) -> ProfileRow:
    values = {name: getattr(row, name) for name in ProfileRow.__dataclass_fields__}
    opened = adapter.sealer.open
    values |= {
        "profile": _PROFILE.validate_json(opened(row.profile)),
        "tokens": _TOKENS.validate_json(opened(row.tokens)) if row.tokens else None,
        "seen_at": tuple(row.seen_at or ()),
    }
    return ProfileRow(**values)
