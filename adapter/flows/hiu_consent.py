"""A consent request of ours: answered by ABDM, then followed until it ends (architecture 6 D).

    CREATED → REQUESTED → GRANTED → REVOKED | EXPIRED        or DENIED, EXPIRED, FAILED

SQL has the states and times and is right at once; the FHIR Consent `req-…` has what was asked for
and is written before SQL moves, so whoever reads FHIR is never ahead of it for long. A notice may
overtake `on-init`, come twice, or come late: what the states forbid is audited and changes nothing,
and every notice is acknowledged. Raising it is `hiu_raise`'s, artefacts are `hiu_fetch`'s, overdue
answers `hiu_overdue`'s.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import structlog

from adapter.flows import archive, hiu_fetch
from adapter.flows.handler import ANY_REPLY, Commit, Handler
from adapter.flows.hiu_shared import REASONS, answered, ignored, settle, show
from adapter.protocol.errors import (
    ConsentNotFound,
    IllegalTransition,
    RetryLater,
)
from adapter.protocol.messages import (
    ConsentRequestInit,
    ConsentRequestStatusRequest,
    Envelope,
    HiuConsentNotify,
    HiuConsentOnNotifyRequest,
    OnConsentRequestInit,
    OnConsentRequestStatus,
)
from adapter.protocol.refusals import masked, reaction
from adapter.rules import states
from adapter.rules.states import ConsentRequestState as State
from adapter.rules.states import HiuArtefactState
from adapter.runtime import Adapter
from adapter.stores import consent_requests, hiu_artefacts, outbox
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.db import Tx

log = structlog.get_logger(__name__)

#: A notice waits this long for the on-init that names its request; then nobody here asked.
UNKNOWN_FOR = timedelta(minutes=10)
#: An outage of FHIR is waited out: a notice is only acknowledged once it took effect.
PATIENCE = timedelta(hours=23)
#: ABDM is asked how a request stands this long after on-init, then after twice the time, …
FIRST_POLL = timedelta(seconds=60)


# --- what ABDM answers ---------------------------------------------------------------------------


def on_consent_request_init(
    adapter: Adapter, envelope: Envelope, message: OnConsentRequestInit
) -> Commit:
    """The handle ABDM gave the request, or why it was refused. Raises IllegalTransition."""
    request = _answered(adapter, envelope, ConsentRequestInit)
    if message.error is not None or message.consent_request_id is None:
        refusal = reaction(ConsentRequestInit.__name__, message.error)
        return _over(
            adapter,
            envelope,
            request,
            State.FAILED,
            refusal.sentence,
            OnConsentRequestInit,
            type(refusal).__name__,
        )
    handle = message.consent_request_id
    if handle in (request.abdm_id, request.repeat_id):
        return lambda tx: None
    if request.abdm_id and request.repeat_id:
        raise IllegalTransition("ABDM gave this request a third id; raise it anew if it is stuck.")
    named = (
        replace(request, repeat_id=handle) if request.abdm_id else replace(request, abdm_id=handle)
    )
    moves = states.allowed(request.state, State.REQUESTED)
    state = State.REQUESTED if moves else request.state
    show(adapter, named, state, request.sentence if not moves else None)

    def commit(tx: Tx) -> None:
        consent_requests.note(tx, request.id, abdm_id=named.abdm_id, repeat_id=named.repeat_id)
        consent_requests.move(
            tx,
            request.id,
            State.REQUESTED,
            shown=State.REQUESTED,
            poll_at=adapter.clock() + FIRST_POLL,
            done_at=None,
            error=None,
            sentence=None,
        )

    return commit


def on_consent_request_status(
    adapter: Adapter, envelope: Envelope, message: OnConsentRequestStatus
) -> Commit:
    """How a request stands, as if ABDM had given notice. Raises IllegalTransition."""
    request = _answered(adapter, envelope, ConsentRequestStatusRequest)
    if message.error is not None or message.status is None or message.consent_request_id is None:
        refusal = reaction(ConsentRequestStatusRequest.__name__, message.error)
        error = type(refusal).__name__
        return lambda tx: consent_requests.note(
            tx, request.id, error=error, sentence=refusal.sentence
        )
    if message.consent_request_id not in (request.abdm_id, request.repeat_id):
        raise IllegalTransition("This answer is about another request than the one asked about.")
    notice = HiuConsentNotify(
        message.consent_request_id, message.status, None, message.artefact_ids
    )
    return _follow(adapter, envelope, request, notice, OnConsentRequestStatus)


def on_hiu_consent_notify(
    adapter: Adapter, envelope: Envelope, message: HiuConsentNotify
) -> Commit:
    """Do what the notice says, then acknowledge it, whatever it says.

    Raises RetryLater while on-init may still name the request, ConsentNotFound when it won't.
    """
    request = _noticed(adapter, envelope, message)
    follow = _follow(adapter, envelope, request, message, HiuConsentNotify)

    def commit(tx: Tx) -> None:
        outbox.queue(
            tx,
            adapter,
            replace(envelope, hiu_id=request.hiu_id).reply(),
            HiuConsentOnNotifyRequest(message.artefact_ids),
            deadline=ANY_REPLY,
            conversation=_conversation(envelope),
        )
        follow(tx)

    return commit


def refuse(
    _envelope: Envelope, message: HiuConsentNotify, error: str
) -> tuple[HiuConsentOnNotifyRequest, timedelta]:
    """The acknowledgement carries the error."""
    return HiuConsentOnNotifyRequest(message.artefact_ids, error=error), ANY_REPLY


def _noticed(adapter: Adapter, envelope: Envelope, message: HiuConsentNotify) -> ConsentRequest:
    with adapter.db.reading() as tx:
        request = consent_requests.by_abdm_id(tx, message.consent_request_id)
    if request is not None and envelope.hiu_id in (None, request.hiu_id):
        return request
    sent_at = envelope.timestamp
    if sent_at is not None and adapter.clock() - sent_at < UNKNOWN_FOR:
        raise RetryLater("No request of ours has this id yet; on-init may still name it.")
    log.error("ALERT notice of a consent request that is not ours", request=envelope.request_id)
    raise ConsentNotFound(
        "No consent request of this facility has the id of the notice. If the patient granted "
        "something, raise the request again."
    )


def _answered(adapter: Adapter, envelope: Envelope, message: type) -> ConsentRequest:
    row = answered(adapter, envelope, message)
    with adapter.db.reading() as tx:
        request = consent_requests.by_id(tx, row.subject or "")
    if request is None:
        raise IllegalTransition("The request that this answers is not stored any more; ignored.")
    return request


# --- what follows --------------------------------------------------------------------------------


def _follow(
    adapter: Adapter,
    envelope: Envelope,
    request: ConsentRequest,
    notice: HiuConsentNotify,
    source: type,
) -> Commit:
    """What a notice, or a state that ABDM told when asked (`source`), means for the request."""
    if notice.status == "REQUESTED":
        return lambda tx: None
    if notice.status == "GRANTED":
        return _granted(adapter, envelope, request, notice, source)
    if notice.status == "DENIED" or not notice.artefact_ids:
        state = State(notice.status)
        if state is State.REVOKED and request.state is State.GRANTED:
            return _asked_again(adapter, request)
        return _over(adapter, envelope, request, state, masked(notice.reason or ""), source)
    return _artefacts_ended(adapter, envelope, request, notice, source)


def _granted(
    adapter: Adapter,
    envelope: Envelope,
    request: ConsentRequest,
    notice: HiuConsentNotify,
    source: type,
) -> Commit:
    if not states.allowed(request.state, State.GRANTED):
        return ignored(adapter, envelope, source, f"The request is {request.state} for good.")
    if not notice.artefact_ids:
        log.error("ALERT consent granted, but no artefact named", consent_request=request.id)
        return lambda tx: None  # asked again at the next poll
    show(adapter, request, State.GRANTED)

    def commit(tx: Tx) -> None:
        now = adapter.clock()
        moved = consent_requests.move(
            tx,
            request.id,
            State.GRANTED,
            shown=State.GRANTED,
            poll_at=None,
            error=None,
            sentence=None,
        )
        present = consent_requests.by_id(tx, request.id)
        if not moved and (present is None or present.state is not State.GRANTED):
            raise RetryLater("The request changed while its grant was being stored.")
        for artefact_id in notice.artefact_ids:
            if hiu_artefacts.add_notified(tx, adapter, artefact_id, request, now):
                hiu_fetch.ask(adapter, tx, artefact_id, _conversation(envelope))

    return commit


def _over(
    adapter: Adapter,
    envelope: Envelope,
    request: ConsentRequest,
    state: State,
    reason: str,
    source: type,
    error: str | None = None,
) -> Commit:
    """The request itself is over: denied, unanswered, refused."""
    if request.state is state:
        return lambda tx: None
    # EXPIRED without artefacts means that nobody answered, which cannot be once it was granted.
    if request.state is State.GRANTED or not states.allowed(request.state, state):
        return ignored(adapter, envelope, source, f"The request is {request.state} and stays so.")
    sentence = reason or REASONS[state]
    show(adapter, request, state, sentence)

    def commit(tx: Tx) -> None:
        values = {"error": error, "sentence": sentence, "done_at": adapter.clock()}
        if not consent_requests.move(tx, request.id, state, shown=state, poll_at=None, **values):
            raise RetryLater("The request changed while its end was being stored.")

    return commit


def _artefacts_ended(
    adapter: Adapter,
    envelope: Envelope,
    request: ConsentRequest,
    notice: HiuConsentNotify,
    source: type,
) -> Commit:
    """Exactly the artefacts named have ended: at once in SQL; then ABDM is asked to confirm it."""
    end = HiuArtefactState(notice.status)
    late = []
    with adapter.db.transaction() as tx:
        for artefact_id in notice.artefact_ids:
            # One not known yet is noted too, so that a late grant opens nothing.
            hiu_artefacts.add_notified(tx, adapter, artefact_id, request, adapter.clock())
        rows = [hiu_artefacts.by_id(tx, artefact_id) for artefact_id in notice.artefact_ids]
    mine = [row.id for row in rows if row is not None and row.hiu_id == request.hiu_id]
    for artefact_id in mine:
        try:
            archive.note_end(adapter, artefact_id, end)
        except IllegalTransition as error:
            late.append(str(error))
    if len(mine) < len(rows):
        late.append("An artefact of another facility was named.")

    # A state that ABDM told when asked is that of the whole request.
    settled = settle(adapter, request, all_known=source is OnConsentRequestStatus)

    def commit(tx: Tx) -> None:
        for artefact_id in mine:
            hiu_fetch.confirm(adapter, tx, artefact_id, _conversation(envelope))
        if late:
            ignored(adapter, envelope, source, " ".join(late))(tx)
        settled(tx)

    return commit


def _conversation(envelope: Envelope) -> str:
    """A notice is acknowledged before anything is fetched because of it (case HIU_FLOW_202)."""
    return f"notice-{envelope.request_id}"


def _asked_again(adapter: Adapter, request: ConsentRequest) -> Commit:
    """ABDM says that something was revoked, but not what: each artefact is looked at."""

    def commit(tx: Tx) -> None:
        for row in hiu_artefacts.of_request(tx, request.id):
            if row.state is HiuArtefactState.GRANTED:
                hiu_fetch.ask(adapter, tx, row.id)

    return commit


INIT_HANDLER = Handler(on_consent_request_init, None, PATIENCE)
STATUS_HANDLER = Handler(on_consent_request_status, None, PATIENCE)
NOTIFY_HANDLER = Handler(on_hiu_consent_notify, refuse, PATIENCE)
