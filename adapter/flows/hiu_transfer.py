"""Asks for the records of an artefact that was given to us, and hears what became of the request.

Each request has a key pair, a nonce and a push token of its own, committed before it leaves, since
pages may arrive before the gateway's answer does. What is asked for comes from the artefact, never
from our consent request: the patient may have narrowed it. Pages are `hiu_receive`'s.

    REQUESTED → ACKNOWLEDGED → RECEIVING → STORED | PARTIAL | FAILED | CANCELLED
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog

from adapter.crypto.fidelius import ReceiverKey
from adapter.flows.handler import ANY_REPLY, TAKEN, Commit, Handler, Outcome
from adapter.protocol import ids
from adapter.protocol.errors import Conflict, IllegalTransition, NotFound
from adapter.protocol.messages import (
    ConsentArtefact,
    DateRange,
    Envelope,
    ErrorObject,
    HiuHealthInformationRequest,
    KeyMaterial,
    OnHiuHealthInformationRequest,
)
from adapter.protocol.refusals import reaction
from adapter.rules import consent_resource
from adapter.rules.consent import still_live
from adapter.rules.states import HiuArtefactState, IncomingState
from adapter.runtime import Adapter
from adapter.stores import hiu_artefacts, incoming, outbox, outbox_delivery
from adapter.stores.db import Tx
from adapter.stores.hiu_artefacts import HiuArtefact
from adapter.stores.incoming import Incoming

log = structlog.get_logger(__name__)

#: How long late pages can still be opened, counted from when the gateway took the request.
KEYS_LIFE = timedelta(minutes=30)
#: What we say of how long our key may be used (V3 contract 9.2); nobody enforces it.
KEY_EXPIRY = timedelta(hours=24)
PATIENCE = timedelta(hours=1)

# What both sides of the gateway take as dataPushUrl (V3 contract 7.5): no query, no `%`, no `~`.
_PUSH_URL = re.compile(r"https?://[a-zA-Z0-9_\-@,.:/]+")
_LONGEST_PUSH_URL = 255

_NO_ADDRESS = (
    "PUBLIC_URL is not set, or ABDM does not take it as part of a push address: letters, digits "
    "and -_@,.:/ only, and 200 characters at most. Set it right, then fetch the records again."
)
_REFUSED = "The request for records failed ({}); its dead letter has the reason. Fetch them again."


def request_records(adapter: Adapter, tx: Tx, row: HiuArtefact, artefact: ConsentArtefact) -> str:
    """Ask for everything the artefact permits; runs inside the Commit that stores the artefact.

    Returns the id of the new transfer in.
    """
    references = [each.care_context_reference for each in artefact.care_contexts]
    hip_id = row.hip_id or artefact.hip_id or ""
    return _ask(adapter, tx, row, hip_id, artefact.permission.date_range, references)


def fetch_again(adapter: Adapter, artefact_id: str, hiu_ids: Collection[str]) -> str:
    """Ask once more for the records of an artefact that still stands; the new transfer's id.

    What comes replaces, care context by care context, what came before. `hiu_ids`: the facilities
    that the asker may act for. Raises NotFound, Conflict where the artefact is not in force,
    FhirUnavailable.
    """
    with adapter.db.reading() as tx:
        row = hiu_artefacts.by_id(tx, artefact_id.lower())
    if row is None or row.hiu_id not in hiu_ids:
        raise NotFound("Your facilities were given no consent artefact with this id.")
    resource = adapter.fhir.consent(ids.consent_id("hiu", row.id))
    if row.state is not HiuArtefactState.GRANTED or resource is None:
        raise Conflict(f"This consent artefact is {row.state.lower()}: nothing may be fetched.")
    consent = consent_resource.read(resource)
    ended = still_live(consent, row.hip_id, adapter.clock())
    if ended is not None or consent.date_range is None:
        raise Conflict(str(ended))
    references = [each.care_context_reference for each in consent.care_contexts]
    with adapter.db.transaction() as tx:
        if not incoming.may_be_kept(tx, row.id):
            raise Conflict("This consent artefact has just ended: nothing may be fetched.")
        made = _ask(adapter, tx, row, row.hip_id or "", consent.date_range, references)
    adapter.wake()
    return made


def _ask(
    adapter: Adapter,
    tx: Tx,
    row: HiuArtefact,
    hip_id: str,
    date_range: DateRange,
    references: Sequence[str],
) -> str:
    now = adapter.clock()
    key = ReceiverKey.generate()
    token = ids.new_push_token()
    # Until the gateway has taken the request nobody can push, so time only counts from then.
    deadline = now + ANY_REPLY + timedelta(seconds=adapter.config.receive_deadline)
    transfer = Incoming(
        id=ids.new_request_id(),
        artefact_id=row.id,
        transaction_id=None,
        hip_id=hip_id,
        hiu_id=row.hiu_id,
        patient_id=row.patient_id,
        dialect=row.dialect,
        state=IncomingState.REQUESTED,
        keys=key.export(),
        public_key=key.public_key_raw,
        nonce=key.nonce,
        keys_until=now + ANY_REPLY + KEYS_LIFE,
        created_at=now,
        due_at=deadline,
        deadline=deadline,
    )
    incoming.add(tx, adapter, transfer, token, references)
    url = push_url(adapter.config.public_url, token)
    if url is None:
        log.error("records cannot be requested: PUBLIC_URL", incoming_id=transfer.id)
        _fail(adapter, tx, transfer.id, "PushUrlRefused", _NO_ADDRESS)
        return transfer.id
    outbox.queue(
        tx,
        adapter,
        Envelope(row.dialect, hiu_id=row.hiu_id),
        HiuHealthInformationRequest(
            consent_id=row.id,
            date_range=date_range,
            data_push_url=url,
            key_material=KeyMaterial(key.public_key_raw, key.nonce, now + KEY_EXPIRY),
        ),
        deadline=ANY_REPLY,
        subject=transfer.id,
    )
    return transfer.id


def push_url(public_url: str, token: str) -> str | None:
    """Where pages are to be pushed, or None where PUBLIC_URL makes no address ABDM would take."""
    url = f"{public_url}/push/{token}"
    fits = public_url and len(url) <= _LONGEST_PUSH_URL and _PUSH_URL.fullmatch(url)
    return url if fits else None


def after_request(adapter: Adapter, tx: Tx, incoming_id: str, outcome: Outcome) -> None:
    """Taken: the time for pages begins. Refused for good: there will be none.

    Unanswered, it may have been taken all the same, so the transfer waits for pages.
    """
    if outcome in TAKEN:
        now = adapter.clock()
        wait = timedelta(seconds=adapter.config.receive_deadline)
        incoming.begin(tx, incoming_id, now + wait, now + max(KEYS_LIFE, wait))
    elif outcome == "Unanswered":
        incoming.change(
            tx, incoming_id, error=outcome, sentence=outbox_delivery.UNANSWERED_SENTENCE
        )
    else:
        _fail(adapter, tx, incoming_id, outcome, _REFUSED.format(outcome))


def on_hiu_health_information_request(
    adapter: Adapter, envelope: Envelope, message: OnHiuHealthInformationRequest
) -> Commit:
    """The transaction under which pages will come, or why none will; a page may have been faster.

    Its Commit raises IllegalTransition for an answer to nothing of ours.
    """

    def commit(tx: Tx) -> None:
        row = outbox.answered(tx, envelope.response_to, adapter.clock())
        if row is None or row.message != HiuHealthInformationRequest.__name__:
            raise IllegalTransition("This answers no request of ours; it is ignored.")
        incoming_id = row.subject or ""
        if message.error is not None or not message.transaction_id:
            error = message.error or ErrorObject("", "no transaction in the answer")
            refusal = reaction(row.message, error)
            _fail(adapter, tx, incoming_id, type(refusal).__name__, refusal.sentence)
            return
        incoming.name_transaction(tx, incoming_id, message.transaction_id)
        incoming.move(tx, incoming_id, IncomingState.ACKNOWLEDGED, error=None, sentence=None)

    return commit


def _fail(adapter: Adapter, tx: Tx, incoming_id: str, error: str, sentence: str) -> None:
    """No page will come; where one came all the same, what is there is kept and goes on."""
    known = incoming.by_id(tx, adapter, incoming_id)
    if known is None or known.state not in (IncomingState.REQUESTED, IncomingState.ACKNOWLEDGED):
        return
    log.warning("request for records failed", incoming_id=incoming_id, error=error)
    incoming.move(tx, incoming_id, IncomingState.FAILED, error=error, sentence=sentence)
    incoming.close(tx, incoming_id, adapter.clock())


HANDLER = Handler(on_hiu_health_information_request, None, PATIENCE)
