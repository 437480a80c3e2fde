"""An artefact given to us: fetched, compared with what was asked, and put to use (6 D, 4).

    NOTIFIED → GRANTED → REVOKED | EXPIRED        or REFUSED: not what was asked for

Each artefact of a grant is fetched by itself; one HIP's may be narrower than another's. Only what
the patient granted counts from here on. An artefact that ended meanwhile is never used: its end is
in SQL first, and is looked for before the Consent is written and again in the commit. After an end
ABDM is asked once more, and has to say that it ended (case HIU_FLOW_202, 301).
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from adapter.flows import archive, hiu_transfer
from adapter.flows.handler import ANY_REPLY, TAKEN, Commit, Handler, Outcome
from adapter.flows.hiu_shared import answered, ignored, settle
from adapter.protocol.errors import IllegalTransition, RetryLater
from adapter.protocol.messages import (
    ConsentArtefact,
    ConsentFetchRequest,
    Envelope,
    ErrorObject,
    OnConsentFetch,
)
from adapter.protocol.refusals import reaction
from adapter.rules import consent_request, ended_consent, hiu_consent_resource
from adapter.rules.states import HiuArtefactState as State
from adapter.runtime import Adapter
from adapter.stores import audit, consent_requests, hiu_artefacts, outbox
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.db import Tx
from adapter.stores.hiu_artefacts import ENDED, HiuArtefact

log = structlog.get_logger(__name__)

PATIENCE = timedelta(hours=23)


def ask(adapter: Adapter, tx: Tx, artefact_id: str, conversation: str | None = None) -> None:
    """Queue the fetch of an artefact (again); nothing where another process just did.

    `conversation`: what was queued under this name leaves first.
    """
    row = hiu_artefacts.by_id(tx, artefact_id)
    if row is None or not hiu_artefacts.asked(tx, row, adapter.clock()):
        return
    outbox.queue(
        tx,
        adapter,
        Envelope(row.dialect, hiu_id=row.hiu_id),
        ConsentFetchRequest(row.id),
        deadline=ANY_REPLY,
        conversation=conversation,
        subject=row.id,
    )


def confirm(adapter: Adapter, tx: Tx, artefact_id: str, conversation: str | None = None) -> None:
    """Ask ABDM for an artefact that has ended, unless it was asked since it did."""
    row = hiu_artefacts.by_id(tx, artefact_id)
    if row is None or row.ended_at is None:
        return
    if row.asked_at is None or row.asked_at < row.ended_at:
        ask(adapter, tx, artefact_id, conversation)


def after_fetch(adapter: Adapter, tx: Tx, artefact_id: str, outcome: Outcome) -> None:
    """A fetch that never reached ABDM, or was never answered, leaves its reason on the artefact."""
    if outcome not in TAKEN:
        reason = outbox.sentence_of(tx, ConsentFetchRequest.__name__, artefact_id)
        hiu_artefacts.note(tx, artefact_id, error=outcome, sentence=reason or outcome)


def on_consent_fetch(adapter: Adapter, envelope: Envelope, message: OnConsentFetch) -> Commit:
    """The artefact, its end, or why there is none. Raises IllegalTransition, FhirUnavailable."""
    asked = answered(adapter, envelope, ConsentFetchRequest)
    with adapter.db.reading() as tx:
        row = hiu_artefacts.by_id(tx, asked.subject or "")
        request = consent_requests.by_id(tx, row.request_id or "") if row else None
    if row is None or request is None:
        raise IllegalTransition("The artefact that this is about is not stored; ignored.")
    if message.status in ("REVOKED", "EXPIRED"):
        return _gone(adapter, row, request, State(message.status))
    if message.artefact is None:
        error = message.error or ErrorObject("", f"its state is {message.status}")
        return _nothing(row, error)
    if message.artefact.consent_id != row.id:
        raise IllegalTransition("The answer holds another artefact than was fetched; ignored.")
    if row.state in ENDED:
        return _too_late(
            adapter, envelope, row, after=asked.created_at >= (row.ended_at or row.created_at)
        )
    if row.state is not State.NOTIFIED:
        return lambda tx: None  # a second answer
    return _given(adapter, envelope, row, request, message, message.artefact)


def _given(
    adapter: Adapter,
    envelope: Envelope,
    row: HiuArtefact,
    request: ConsentRequest,
    message: OnConsentFetch,
    artefact: ConsentArtefact,
) -> Commit:
    now = adapter.clock()
    consent = adapter.fhir.consent(hiu_consent_resource.request_id(request.id))
    init = hiu_consent_resource.asked(consent)
    if init is None:
        faults = ["What was asked for is no longer on record, so nothing can be compared with it."]
    else:
        faults = consent_request.differences(init, row.hiu_id, artefact)
    if init is None or faults:
        return _refused(adapter, envelope, row, " ".join(faults))
    hip_id = artefact.hip_id or init.hip_id or ""
    adapter.fhir.put(
        hiu_consent_resource.given(
            artefact,
            message.signature,
            hiu_id=row.hiu_id,
            hip_id=hip_id,
            request=request.id,
            abdm_request=request.abdm_id,
            at=now,
        )
    )
    erase_at = artefact.permission.data_erase_at

    def commit(tx: Tx) -> None:
        if not hiu_artefacts.grant(tx, row.id, hip_id, row.patient_id, erase_at):
            raise RetryLater("The artefact ended while it was being stored.")
        hiu_artefacts.keep_content(tx, adapter, row.id, message)
        granted = hiu_artefacts.by_id(tx, row.id)
        # One that has run out already is only due to end.
        if granted is not None and erase_at > now:
            hiu_transfer.request_records(adapter, tx, granted, artefact)
        event = audit.consent_received(adapter, hip_id=row.hiu_id, hiu_id=None, artefact_id=row.id)
        outbox.queue_audit(tx, adapter, event)

    return commit


def _refused(adapter: Adapter, envelope: Envelope, row: HiuArtefact, why: str) -> Commit:
    """Not what was asked for: nothing is fetched under it, and its content isn't kept."""
    log.error("ALERT artefact refused", artefact_id=row.id, reason=why)
    now = adapter.clock()
    adapter.fhir.put(
        hiu_consent_resource.refused(
            row.id, hiu_id=row.hiu_id, request=row.request_id, reason=why, at=now
        )
    )

    def commit(tx: Tx) -> None:
        if not hiu_artefacts.move(
            tx, row.id, State.REFUSED, error="ArtefactRefused", sentence=why, done_at=now
        ):
            raise RetryLater("The artefact ended while it was being refused.")
        event = audit.refused(adapter, envelope, OnConsentFetch.__name__, "ArtefactRefused")
        outbox.queue_audit(tx, adapter, event)

    return commit


def _too_late(adapter: Adapter, envelope: Envelope, row: HiuArtefact, *, after: bool) -> Commit:
    """The artefact has ended and stays so; `after`: ABDM was asked only after its end."""
    if after:
        log.error("ALERT ABDM calls an ended artefact granted", artefact_id=row.id)
    if row.reason is not None and row.ended_at is not None:
        # A grant worked on at the moment of the end may have written its Consent last.
        adapter.fhir.put(
            ended_consent.tombstone(
                row.id, row.reason, row.ended_at, hip_id=row.hip_id, patient_id=row.patient_id
            )
        )
    return ignored(adapter, envelope, OnConsentFetch, "The artefact has ended and stays so.")


def _gone(adapter: Adapter, row: HiuArtefact, request: ConsentRequest, end: State) -> Commit:
    """ABDM confirms an end, or tells one whose notice never came. Raises IllegalTransition."""
    archive.note_end(adapter, row.id, end)
    return settle(adapter, request)


def _nothing(row: HiuArtefact, error: ErrorObject) -> Commit:
    refusal = reaction(ConsentFetchRequest.__name__, error)
    log.warning("artefact not fetched", artefact_id=row.id, error=type(refusal).__name__)
    return lambda tx: hiu_artefacts.note(
        tx, row.id, error=type(refusal).__name__, sentence=refusal.sentence
    )


HANDLER = Handler(on_consent_fetch, None, PATIENCE)
