"""How records from other hospitals go when their consent ends (architecture 6.E).

    GRANTED → REVOKED | EXPIRED → ARCHIVED → ERASED

*The end* (`note_end`) is one SQL transaction, so it works while FHIR is down: access stops, open
transfers in are CANCELLED, their keys and stored pages are dropped. A notice of ABDM brings it, or
`dataEraseAt`, by our clock and without leeway, whether ABDM says so or not.

*Archiving.* The Consent becomes a tombstone. Each document's verbatim bytes are sealed into the
archive with reason and digest, before anything is deleted. The Provenances stay and name what they
were about as text; everything else that was written under the artefact is deleted and expunged:
gone from read, search and version history. Copies held under another artefact have other ids.

*A writer that is late.* What a transfer writes is noted in SQL before, in a transaction in which
the artefact must be GRANTED; so after the end the list only shrinks. Whoever still writes then
looks again afterwards and takes back what he wrote (`purge`), and should he be killed in between:
as long as a worker may be writing, the artefact stays as it is and all is deleted once more.

*Erasing.* A sealed copy lives `ARCHIVE_RETENTION_DAYS` from the end, at most until `dataEraseAt`;
so after an expiry none is made. The row (reason, dates, SHA-256) stays.

Every step may be repeated at any point. `work.py` calls `advance_ending` for artefacts that are
due, under a lease.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from adapter.protocol.errors import (
    ConsentNotFound,
    FhirRejected,
    FhirUnavailable,
    IllegalTransition,
)
from adapter.rules import ended_consent, states
from adapter.rules.states import HiuArtefactState
from adapter.runtime import Adapter
from adapter.stores import archive, audit, endings, hiu_artefacts, outbox
from adapter.stores.archive import Copy
from adapter.stores.db import Tx
from adapter.stores.endings import Document
from adapter.stores.hiu_artefacts import HiuArtefact
from mappings.received import provenance_archived

log = structlog.get_logger(__name__)

#: While FHIR is away, or somebody may still be writing.
WAIT = timedelta(seconds=5)
#: The FHIR server refused: the operator has to look, and nothing is given up.
LONG_WAIT = timedelta(minutes=1)

_PROVENANCE = "Provenance/"
_ERRORS = {
    HiuArtefactState.REVOKED: ("ConsentRevoked", "The patient revoked the consent"),
    HiuArtefactState.EXPIRED: ("ConsentExpired", "The consent's time is over"),
}


def note_end(adapter: Adapter, artefact_id: str, state: HiuArtefactState) -> bool:
    """The artefact is REVOKED or EXPIRED from this moment; whether that is new.

    The same end again changes nothing. Raises IllegalTransition where another end came first, and
    ConsentNotFound for an artefact that is not stored.
    """
    now = adapter.clock()
    with adapter.db.transaction() as tx:
        endings.lock(tx, artefact_id)
        row = hiu_artefacts.by_id(tx, artefact_id)
        if row is None:
            raise ConsentNotFound("There is no artefact with this id among those given to us.")
        if not states.move(row.reason or row.state, state):
            return False
        hiu_artefacts.move(
            tx,
            artefact_id,
            state,
            reason=state,
            ended_at=now,
            due_at=now,
            error=None,
            sentence=None,
        )
        _close_incoming(tx, artefact_id, state, now)
        event = audit.consent_ended(
            adapter, hip_id=row.hiu_id, artefact_id=artefact_id, status=state
        )
        outbox.queue_audit(tx, adapter, event)
    adapter.wake()
    return True


def advance_ending(adapter: Adapter, artefact_id: str) -> None:
    """Do the next things for an artefact whose end may be due, until it has to wait or is done."""
    try:
        if (row := _read(adapter, artefact_id)) and row.state is HiuArtefactState.GRANTED:
            _expire(adapter, row)
        if (row := _read(adapter, artefact_id)) and row.state in _ERRORS:
            _archive(adapter, row)
        if (row := _read(adapter, artefact_id)) and row.state is HiuArtefactState.ARCHIVED:
            _erase_due(adapter, row)
    except FhirUnavailable as error:
        log.info("records of an ended consent wait for FHIR", artefact_id=artefact_id)
        _postpone(adapter, artefact_id, WAIT, error)
    except FhirRejected as error:
        log.error("records of an ended consent can't be removed", artefact_id=artefact_id)
        _postpone(adapter, artefact_id, LONG_WAIT, error)


def purge(adapter: Adapter, artefact_id: str, names: Iterable[str]) -> None:
    """Take back what was written to FHIR under an artefact that has ended (`Observation/abc`).

    Raises FhirUnavailable and FhirRejected; run it again then.
    """
    row = _read(adapter, artefact_id)
    if row is None or row.reason is None or row.ended_at is None:
        raise RuntimeError(f"hiu_artefact {artefact_id} has not ended: nothing may be erased")
    names = list(names)
    provenances = adapter.fhir.provenances(
        name.removeprefix(_PROVENANCE) for name in names if name.startswith(_PROVENANCE)
    )
    adapter.fhir.transaction(
        provenance_archived(each, row.ended_at, row.reason) for each in provenances
    )
    adapter.fhir.erase(name for name in names if not name.startswith(_PROVENANCE))


def erase(adapter: Adapter, copy: Copy, user: str) -> bool:
    """Erase a sealed copy before its time, because `user` orders it; whether there was one."""
    with adapter.db.transaction() as tx:
        erased = _erase(adapter, tx, copy, user)
        hiu_artefacts.note(tx, copy.artefact_id, due_at=adapter.clock())
    adapter.wake()
    return erased


def _read(adapter: Adapter, artefact_id: str) -> HiuArtefact | None:
    with adapter.db.reading() as tx:
        return hiu_artefacts.by_id(tx, artefact_id)


def _expire(adapter: Adapter, row: HiuArtefact) -> None:
    if row.erase_at is None:
        raise RuntimeError(f"hiu_artefact {row.id} is granted without an end")
    if adapter.clock() < row.erase_at:
        with adapter.db.transaction() as tx:
            hiu_artefacts.note(tx, row.id, due_at=row.erase_at)
        return
    # Another end may be noted at this very moment; it stands then.
    with suppress(IllegalTransition):
        note_end(adapter, row.id, HiuArtefactState.EXPIRED)


def _archive(adapter: Adapter, row: HiuArtefact) -> None:
    reason, ended_at = row.reason, row.ended_at
    if reason is None or ended_at is None:
        raise RuntimeError(f"hiu_artefact {row.id} has ended without reason and time")
    adapter.fhir.put(
        ended_consent.tombstone(
            row.id, reason, ended_at, hip_id=row.hip_id, patient_id=row.patient_id
        )
    )
    keep_until = _keep_until(adapter, row, ended_at)
    with adapter.db.reading() as tx:
        documents = endings.documents(tx, row.id)
        names = endings.resources(tx, row.id)
    for document in documents:
        _seal(adapter, row, document, keep_until)
    purge(adapter, row.id, names)
    now = adapter.clock()
    with adapter.db.transaction() as tx:
        endings.lock(tx, row.id)
        if endings.being_written(tx, row.id, now):
            hiu_artefacts.note(
                tx, row.id, due_at=now + WAIT, sentence="A transfer is still being stopped."
            )
            return
        _close_incoming(tx, row.id, reason, now)
        endings.forget_resources(tx, row.id)
        if hiu_artefacts.move(
            tx,
            row.id,
            HiuArtefactState.ARCHIVED,
            archived_at=now,
            due_at=now,
            error=None,
            sentence=None,
        ):
            event = audit.records_archived(
                adapter,
                hiu_id=row.hiu_id,
                patient_id=row.patient_id,
                artefact_id=row.id,
                reason=reason,
                document_ids=[document.id for document in documents],
            )
            outbox.queue_audit(tx, adapter, event)
    log.info("records of an ended consent archived", artefact_id=row.id, resources=len(names))


def _keep_until(adapter: Adapter, row: HiuArtefact, ended_at: datetime) -> datetime:
    retained = ended_at + timedelta(days=adapter.config.archive_retention_days)
    return min(row.erase_at, retained) if row.erase_at else retained


def _seal(adapter: Adapter, row: HiuArtefact, document: Document, keep_until: datetime) -> None:
    """Keep a document's bytes sealed; nothing where its write to FHIR never happened."""
    with adapter.db.reading() as tx:
        if archive.is_whole(tx, document.id):
            return
    content = adapter.fhir.verbatim(document.id)
    if content is None:
        return
    digest = hashlib.sha256(content).hexdigest()
    if digest != document.sha256:
        log.error("a received document was changed in the FHIR server", document_id=document.id)
    now = adapter.clock()
    copy = Copy(
        id=document.id,
        artefact_id=row.id,
        hip_id=document.hip_id,
        hiu_id=row.hiu_id,
        patient_id=document.patient_id,
        care_context=document.care_context,
        hi_type=document.hi_type,
        sha256=digest,
        size=len(content),
        reason=str(row.reason),
        ended_at=row.ended_at or now,
        archived_at=now,
        erase_at=keep_until,
        erased_at=now if keep_until <= now else None,
    )
    archive.keep(adapter, copy, content)


def _erase_due(adapter: Adapter, row: HiuArtefact) -> None:
    now = adapter.clock()
    with adapter.db.transaction() as tx:
        copies = archive.under(tx, row.id)
        for copy in copies:
            if copy.erase_at <= now:
                _erase(adapter, tx, copy, None)
        kept = [copy.erase_at for copy in copies if copy.erase_at > now]
        if kept:
            hiu_artefacts.note(tx, row.id, due_at=min(kept))
        else:
            hiu_artefacts.move(tx, row.id, HiuArtefactState.ERASED, done_at=now)


def _erase(adapter: Adapter, tx: Tx, copy: Copy, user: str | None) -> bool:
    if not archive.erase(tx, copy.id, adapter.clock()):
        return False
    event = audit.copy_erased(
        adapter,
        hiu_id=copy.hiu_id,
        patient_id=copy.patient_id,
        artefact_id=copy.artefact_id,
        document_id=copy.id,
        user=user,
    )
    outbox.queue_audit(tx, adapter, event)
    return True


def _close_incoming(tx: Tx, artefact_id: str, reason: HiuArtefactState, now: datetime) -> None:
    error, word = _ERRORS[reason]
    sentence = f"{word}; nothing more is received under it."
    endings.close_incoming(tx, artefact_id, now, error, sentence)


def _postpone(adapter: Adapter, artefact_id: str, wait: timedelta, error: Exception) -> None:
    with adapter.db.transaction() as tx:
        hiu_artefacts.note(
            tx,
            artefact_id,
            due_at=adapter.clock() + wait,
            error=type(error).__name__,
            sentence=str(error),
        )
