"""What the HIU's consent flows share: what a callback answers, and how a request stands in FHIR."""

from __future__ import annotations

import structlog

from adapter.flows.handler import Commit
from adapter.protocol.errors import IllegalTransition
from adapter.protocol.messages import Envelope
from adapter.rules import hiu_consent_resource
from adapter.rules.states import ConsentRequestState as State
from adapter.rules.states import HiuArtefactState
from adapter.runtime import Adapter
from adapter.stores import audit, consent_requests, hiu_artefacts, outbox
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.db import Tx
from adapter.stores.outbox_rows import OutboxRow

log = structlog.get_logger(__name__)

REASONS = {
    State.DENIED: "The patient denied the request.",
    State.EXPIRED: "Nobody answered the request in time.",
    State.REVOKED: "The patient revoked the consent.",
}


def answered(adapter: Adapter, envelope: Envelope, message: type) -> OutboxRow:
    """The `message` of ours that this answers, marked as answered at once.

    At once, since an outage of FHIR may delay the rest, and the message must not go out again
    meanwhile. Raises IllegalTransition where this answers nothing of that kind.
    """
    with adapter.db.transaction() as tx:
        row = outbox.answered(tx, envelope.response_to, adapter.clock())
        if (
            row is None
            or row.message != message.__name__
            or envelope.hiu_id not in (None, row.hiu_id)
        ):
            raise IllegalTransition(f"This answers no {message.__name__} of ours; ignored.")
    return row


def ignored(adapter: Adapter, envelope: Envelope, message: type, why: str) -> Commit:
    """Nothing changes; the trail says that `message` told something which the states forbid."""

    def commit(tx: Tx) -> None:
        log.warning("late consent message ignored", request_id=envelope.request_id, reason=why)
        event = audit.refused(adapter, envelope, message.__name__, IllegalTransition.__name__)
        outbox.queue_audit(tx, adapter, event)

    return commit


def settle(adapter: Adapter, request: ConsentRequest, *, all_known: bool = False) -> Commit:
    """A granted request ends once every artefact of it has. Raises FhirUnavailable.

    `all_known`: ABDM has just named every artefact, also where its grant never got here.
    """
    with adapter.db.reading() as tx:
        rows = hiu_artefacts.of_request(tx, request.id)
    reasons = {row.reason for row in rows if row.reason is not None}
    alive = (HiuArtefactState.NOTIFIED, HiuArtefactState.GRANTED)
    # Before its grant is known, there may be artefacts that we have not heard of.
    known = all_known or request.state is State.GRANTED
    if not known or not reasons or any(row.state in alive for row in rows):
        return lambda tx: None
    revoked = HiuArtefactState.REVOKED in reasons
    state = State.REVOKED if revoked else State.EXPIRED
    sentence = REASONS[State.REVOKED] if revoked else "The consent's time is over."
    show(adapter, request, state, sentence)

    def commit(tx: Tx) -> None:
        now = adapter.clock()
        consent_requests.move(tx, request.id, state, shown=state, done_at=now, sentence=sentence)

    return commit


def show(
    adapter: Adapter, request: ConsentRequest, state: State, reason: str | None = None
) -> None:
    """Bring the request's Consent in FHIR to `state`. Raises FhirUnavailable."""
    present = adapter.fhir.consent(hiu_consent_resource.request_id(request.id))
    if present is None:
        log.error("the Consent of a request is gone from FHIR", consent_request=request.id)
        return
    adapter.fhir.put(
        hiu_consent_resource.restated(
            present,
            state,
            adapter.clock(),
            reason=reason,
            abdm_ids=(request.abdm_id, request.repeat_id),
        )
    )
