"""How records from other hospitals go when their consent ends (architecture 6.E).

    GRANTED → REVOKED | EXPIRED → ARCHIVED → ERASED

*The end* (`note_end`) is one SQL transaction, so it works while FHIR is down: access stops, open
transfers in are CANCELLED, their keys and stored pages are dropped. A notice of ABDM brings it, or
`dataEraseAt`, by our clock and without leeway, whether ABDM says so or not.
"""

from __future__ import annotations

from adapter.protocol.errors import ConsentNotFound
from adapter.rules import states
from adapter.rules.states import HiuArtefactState
from adapter.runtime import Adapter
from adapter.stores import audit, endings, outbox

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
    error, word = _ERRORS[state]
    with adapter.db.transaction() as tx:
        row = endings.by_id(tx, artefact_id)
        if row is None:
            raise ConsentNotFound("There is no artefact with this id among those given to us.")
        if not states.move(row.reason or row.state, state):
            return False
        endings.end(tx, artefact_id, state, now)
        endings.close_incoming(
            tx, artefact_id, now, error, f"{word}; nothing more is received under it."
        )
        event = audit.consent_ended(
            adapter, hip_id=row.hip_id, artefact_id=artefact_id, status=state
        )
        outbox.queue_audit(tx, adapter, event)
    adapter.wake()
    return True
