"""Looking at records from other hospitals: only while their consent is in force at that moment.

Every look reads the consent again, in SQL, where its end is noted first, and by id in the FHIR
server; and SQL once more after the records were read, in the transaction that notes in the audit
trail who looked at what, or was refused it. An end that is found so is noted for good. While the
consent can't be read, nothing is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from adapter.flows import archive
from adapter.protocol import ids, timestamps
from adapter.protocol.errors import (
    Conflict,
    ConsentExpired,
    ConsentNotFound,
    ConsentOver,
    ConsentRevoked,
    IllegalTransition,
    NotFound,
)
from adapter.rules import consent_resource
from adapter.rules.consent import still_live
from adapter.rules.states import HiuArtefactState
from adapter.runtime import Adapter
from adapter.stores import audit, hiu_artefacts, outbox, received_views
from adapter.stores.hiu_artefacts import HiuArtefact
from adapter.stores.received import Document
from adapter.stores.received_views import View

T = TypeVar("T")
Resource = dict[str, Any]

_ENDS: dict[type[Exception], HiuArtefactState] = {
    ConsentRevoked: HiuArtefactState.REVOKED,
    ConsentExpired: HiuArtefactState.EXPIRED,
}


@dataclass(frozen=True)
class Withheld:
    """Why records aren't shown. `error`: the class that the audit trail names."""

    error: str
    sentence: str


@dataclass(frozen=True)
class Verbatim:
    """A document's bytes as received, and what is known of them."""

    document: Document
    content: bytes


def documents(
    adapter: Adapter,
    hiu_ids: Collection[str],
    user: str,
    *,
    patient_id: str | None = None,
    artefact_id: str | None = None,
    hip_id: str | None = None,
    hi_type: str | None = None,
) -> list[dict[str, Any]]:
    """What these facilities have received, the newest first, as plain dictionaries.

    Of a document whose consent is over, only that, why and since when. Raises FhirUnavailable.
    """
    with adapter.db.reading() as tx:
        views = received_views.documents(
            tx,
            hiu_ids,
            patient_id=patient_id,
            artefact_id=artefact_id,
            hip_id=hip_id,
            hi_type=hi_type,
        )
    artefacts = {view.artefact.id: view.artefact for view in views}
    withheld = {each.id: _withheld(adapter, each) for each in artefacts.values()}
    with adapter.db.transaction() as tx:
        for each in artefacts:
            present = hiu_artefacts.by_id(tx, each) or artefacts[each]
            artefacts[each] = present
            withheld[each] = withheld[each] or _ended(present)
        if views:
            event = audit.records_viewed(
                adapter,
                hiu_id=None,
                user=user,
                what="list",
                patient_ids=sorted({v.document.patient_id for v in views if v.document.patient_id}),
                artefact_ids=sorted(artefacts),
            )
            outbox.queue_audit(tx, adapter, event)
    adapter.wake()
    return [
        _described(View(view.document, artefacts[view.artefact.id]), withheld[view.artefact.id])
        for view in views
    ]


def document(
    adapter: Adapter, hiu_ids: Collection[str], user: str, document_id: str
) -> dict[str, Any]:
    """What is known of one document. Raises as `verbatim`."""
    return _look(
        adapter, hiu_ids, user, document_id, "metadata", lambda view: _described(view, None)
    )


def verbatim(adapter: Adapter, hiu_ids: Collection[str], user: str, document_id: str) -> Verbatim:
    """One document exactly as it was received.

    Raises NotFound, ConsentOver, FhirUnavailable, and Conflict where the FHIR server holds other
    bytes than those received.
    """

    def read(view: View) -> Verbatim | None:
        content = adapter.fhir.verbatim(view.document.id)
        return None if content is None else Verbatim(view.document, content)

    found = _look(adapter, hiu_ids, user, document_id, "document", read)
    if found is None:
        raise NotFound("The document is not in the FHIR server any more.")
    if hashlib.sha256(found.content).hexdigest() != found.document.sha256:
        raise Conflict(
            "The FHIR server holds other bytes than those received (their SHA-256 differs), so "
            "they are not shown as such; fetch the records of this consent again."
        )
    return found


def resources(
    adapter: Adapter, hiu_ids: Collection[str], user: str, document_id: str
) -> list[Resource]:
    """The separate FHIR resources that one document became. Raises as `verbatim`."""

    def read(view: View) -> list[Resource]:
        with adapter.db.reading() as tx:
            names = received_views.parts(tx, view.document.id)
        return adapter.fhir.received(names)

    return _look(adapter, hiu_ids, user, document_id, "resources", read)


def _look(
    adapter: Adapter,
    hiu_ids: Collection[str],
    user: str,
    document_id: str,
    what: str,
    read: Callable[[View], T],
) -> T:
    """What `read` gives of a document, once the consent was seen to permit it, before and after."""
    with adapter.db.reading() as tx:
        view = received_views.document(tx, hiu_ids, document_id)
    if view is None:
        raise NotFound("Your facilities have received no document with this id.")
    withheld = _withheld(adapter, view.artefact)
    found = [read(view)] if withheld is None else []
    with adapter.db.transaction() as tx:
        present = hiu_artefacts.by_id(tx, view.artefact.id) or view.artefact
        withheld = withheld or _ended(present)
        event = audit.records_viewed(
            adapter,
            hiu_id=view.artefact.hiu_id,
            user=user,
            what=what,
            patient_ids=[view.document.patient_id] if view.document.patient_id else [],
            artefact_ids=[view.artefact.id],
            document_id=view.document.id,
            refusal=withheld.error if withheld else None,
        )
        outbox.queue_audit(tx, adapter, event)
    adapter.wake()
    if withheld is not None:
        raise ConsentOver(withheld.sentence)
    return found[0]


def _withheld(adapter: Adapter, row: HiuArtefact) -> Withheld | None:
    """Why nothing received under an artefact may be shown now. Raises FhirUnavailable."""
    if (ended := _ended(row)) is not None:
        return ended
    consent = adapter.fhir.consent(ids.consent_id("hiu", row.id))
    if consent is None:
        return Withheld(
            ConsentNotFound.__name__,
            "The consent is not in the FHIR server any more, so nothing may be shown under it.",
        )
    over = still_live(consent_resource.read(consent), row.hip_id, adapter.clock())
    if over is None:
        return None
    end = _ENDS.get(type(over))
    if end is None:
        return Withheld(type(over).__name__, "As it stands, the consent permits nothing.")
    with suppress(IllegalTransition):  # another end was noted first, and stands
        archive.note_end(adapter, row.id, end)
    with adapter.db.reading() as tx:
        noted = hiu_artefacts.by_id(tx, row.id)
    return _ended(noted or row) or Withheld(type(over).__name__, over.sentence)


def _ended(row: HiuArtefact) -> Withheld | None:
    """Why an artefact permits nothing by SQL."""
    if row.state is HiuArtefactState.GRANTED:
        return None
    since = f" on {timestamps.format(row.ended_at)}" if row.ended_at else ""
    gone = "its records are archived and no longer shown; ask the patient for a new consent."
    if row.reason is HiuArtefactState.EXPIRED:
        return Withheld(ConsentExpired.__name__, f"The consent's time ended{since}; {gone}")
    return Withheld(ConsentRevoked.__name__, f"The patient revoked the consent{since}; {gone}")


def _described(view: View, withheld: Withheld | None) -> dict[str, Any]:
    """A document as people and systems see it; absent stays absent."""
    document, artefact = view.document, view.artefact
    shown: dict[str, Any] = {
        "id": document.id,
        "artefact_id": artefact.id,
        "patient_id": document.patient_id,
        "hip_id": document.hip_id,
        "state": str(artefact.state),
    }
    if withheld is not None:
        shown |= {
            "reason": artefact.reason and str(artefact.reason),
            "ended_at": artefact.ended_at,
            "archived_at": artefact.archived_at,
            "message": withheld.sentence,
        }
    else:
        shown |= {
            "transaction_id": document.transaction_id,
            "care_context": document.care_context,
            "hi_type": document.hi_type,
            "received_at": document.received_at,
            "shown_until": artefact.erase_at,
            "size": document.size,
            "sha256": document.sha256,
            "resources": document.stored,
            "flags": document.flags,
        }
    return {
        name: timestamps.format(value) if isinstance(value, datetime) else value
        for name, value in shown.items()
        if value is not None
    }
