"""HIP-initiated linking, second half: what the gateway answered, and what follows.

Answers are found by the REQUEST-ID of the attempt they answer, never by what they say about
themselves: one that answers nothing of ours is recorded and ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt

from adapter.flows import link_changes, link_tokens
from adapter.flows.handler import TAKEN, Commit, Handler, Outcome
from adapter.flows.hip_linking import advance
from adapter.flows.link_notices import tell
from adapter.flows.linked import answered, mark_linked
from adapter.protocol import routes
from adapter.protocol.errors import (
    AbhaDeactivated,
    AddressBlocked,
    AlreadyDone,
    AskedAlready,
    LinkTokenRefused,
    Rejected,
    RetryLater,
    UpstreamError,
)
from adapter.protocol.messages import (
    Envelope,
    ErrorObject,
    OnGenerateLinkToken,
    OnHipLinkCareContext,
)
from adapter.protocol.refusals import reaction
from adapter.rules.states import CareContextLinkState, LinkTokenState, move
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, link_challenges, links, outbox
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink, LinkToken

#: Six months at most; the token's own `exp` where it says less.
TOKEN_LIFE = timedelta(days=180)
PATIENCE = timedelta(hours=1)
#: Refusals at once that mean the same as in the callback.
FINAL: dict[str, type[UpstreamError]] = {
    each.__name__: each for each in (Rejected, AddressBlocked, AbhaDeactivated)
}
#: Refusals of a link after which it goes on: with a new token, or once the block is over.
RESUMED: dict[str, type[UpstreamError]] = {
    each.__name__: each for each in (LinkTokenRefused, AddressBlocked)
}
#: An OTP that may be typed again, until its challenge is over.
WRONG_OTP = ("1405",)
#: The request does not fit the ABHA (6.1); v0.5 has the number alone.
MISMATCH = ("1036", "ABDM-1051")


def on_generate_link_token(
    adapter: Adapter, envelope: Envelope, message: OnGenerateLinkToken
) -> Commit:
    """Keep the token sealed and send the links that wait for it; or note why there is none."""

    def commit(tx: Tx) -> None:
        subject = answered(
            adapter, tx, envelope, routes.question_of(envelope.dialect, OnGenerateLinkToken)
        )
        token = links.token_by_id(tx, adapter, subject)
        if token is None or not move(token.state, LinkTokenState.ACTIVE):
            return  # a second answer
        if message.error is not None or not message.link_token:
            error = message.error or ErrorObject("", "no token in the answer")
            refusal = reaction("GenerateLinkTokenRequest", error)
            if token.state is LinkTokenState.CHALLENGED and error.code in WRONG_OTP:
                link_challenges.note(tx, token.id, refusal.sentence)
                return
            no_token(adapter, tx, token, refusal)
            return
        keep_token(
            adapter, tx, token, message.link_token, expires_at=message.expires_at, uses=message.uses
        )

    return commit


def keep_token(
    adapter: Adapter,
    tx: Tx,
    token: LinkToken,
    given: str,
    *,
    expires_at: datetime | None,
    uses: int | None,
) -> None:
    """Seal the token that ABDM gave and send the links that wait for it.

    `expires_at`, `uses`: as stated beside it. One that is good for a single use, or not for long
    enough to be kept, serves the links that wait now and no others.
    """
    now = adapter.clock()
    ends = _expiry(given, now)
    passing = uses is not None and uses <= 1
    if expires_at is not None:
        ends = min(ends, expires_at)
        passing = passing or ends - link_tokens.LAST_DAY <= now
    active = replace(
        token,
        state=LinkTokenState.ACTIVE,
        token=given,
        expires_at=now + TOKEN_LIFE if passing else ends,
        error=None,
        sentence=None,
    )
    links.put_token(tx, adapter, active)
    link_challenges.drop(tx, token.id)
    abha_profiles.vouched(tx, token.abha_address)
    advance(adapter, tx, token.hip_id, token.abha_address)
    if passing:
        spent = replace(active, state=LinkTokenState.EXPIRED, token=None, expires_at=now)
        links.put_token(tx, adapter, spent)


def after_generate_link_token(adapter: Adapter, tx: Tx, token_id: str, outcome: Outcome) -> None:
    """A request that will never be answered leaves no token, and its links fail with a reason."""
    token = links.token_by_id(tx, adapter, token_id)
    if outcome in TAKEN or token is None or token.state is not LinkTokenState.REQUESTED:
        return
    said = outbox.sentence_of(tx, "GenerateLinkTokenRequest", token_id) or "Link again."
    final = FINAL.get(outcome)
    if final is not None:
        no_token(adapter, tx, token, final(said))
        return
    give_up_token(adapter, tx, token, outcome, f"ABDM gave no link token. {said}")


def on_hip_link_care_context(
    adapter: Adapter, envelope: Envelope, message: OnHipLinkCareContext
) -> Commit:
    """Linked (also where ABDM says it was already), or a refused token, or failed with a reason."""

    def commit(tx: Tx) -> None:
        batch = answered(adapter, tx, envelope, "HipLinkCareContextRequest")
        if message.error is None:
            _linked(adapter, tx, batch)
            return
        refusal = reaction("HipLinkCareContextRequest", message.error)
        if isinstance(refusal, AskedAlready) or not isinstance(refusal, RetryLater):
            _count_refusal(adapter, tx, batch, blocked=isinstance(refusal, AddressBlocked))
        _refused(adapter, tx, batch, refusal, refusal.sentence)

    return commit


def after_hip_link_care_context(adapter: Adapter, tx: Tx, batch: str, outcome: Outcome) -> None:
    """Taken: the callback decides. Linked already: done. Refused: the same as in a callback."""
    if outcome == AlreadyDone.__name__:
        _count_refusal(adapter, tx, batch)
        _linked(adapter, tx, batch)
    elif outcome not in TAKEN:
        sentence = (
            outbox.sentence_of(tx, "HipLinkCareContextRequest", batch)
            or f"The link request failed ({outcome}); link again."
        )
        if outcome in FINAL or outcome in RESUMED:
            _count_refusal(adapter, tx, batch, blocked=outcome == AddressBlocked.__name__)
        refusal = RESUMED[outcome](sentence) if outcome in RESUMED else None
        _refused(adapter, tx, batch, refusal, sentence, error=outcome)


def _expiry(token: str, now: datetime) -> datetime:
    """Six months, or what the token says of itself if that is sooner (unverified: it is ABDM's
    word to us about its own token, and only ever shortens the time)."""
    latest = now + TOKEN_LIFE
    try:
        stated = jwt.decode(token, options={"verify_signature": False}).get("exp")
        return min(latest, datetime.fromtimestamp(float(stated), UTC)) if stated else latest
    except (jwt.InvalidTokenError, ValueError, OverflowError, OSError, TypeError):
        return latest


def no_token(adapter: Adapter, tx: Tx, token: LinkToken, refusal: UpstreamError) -> None:
    """ABDM refused to give a token: asked again once that may help, else given up with a reason."""
    sentence = refusal.sentence
    if isinstance(refusal, AddressBlocked):
        link_tokens.note_refusal(adapter, tx, token.abha_address, blocked=True)
    elif isinstance(refusal, AskedAlready) or not isinstance(refusal, RetryLater):
        link_tokens.note_refusal(adapter, tx, token.abha_address)
    if isinstance(refusal, AddressBlocked | RetryLater):
        waiting = links.waiting(tx, token.hip_id, token.abha_address)
        state = CareContextLinkState.WAITING_FOR_TOKEN
        links.move(tx, waiting, state, error=type(refusal).__name__, sentence=sentence[:500])
        link_tokens.ask(adapter, tx, replace(token, state=LinkTokenState.EXPIRED))
        return
    active = not isinstance(refusal, AbhaDeactivated)
    abha_profiles.doubted(tx, token.abha_address, sentence, active=active)
    if not active:
        link_changes.abha_deactivated(adapter, tx, token.abha_address)
    if any(code in sentence for code in MISMATCH):
        sentence = f"{sentence} {link_tokens.advice(adapter, tx, token)}"
    give_up_token(adapter, tx, token, type(refusal).__name__, sentence)


def give_up_token(adapter: Adapter, tx: Tx, token: LinkToken, error: str, sentence: str) -> None:
    """There is no token, for the reason in `sentence`; the links that wait for it fail with it."""
    link_challenges.drop(tx, token.id)
    links.put_token(
        tx,
        adapter,
        replace(
            token,
            state=LinkTokenState.REJECTED,
            token=None,
            error=error,
            sentence=sentence[:500],
        ),
    )
    _fail(tx, links.waiting(tx, token.hip_id, token.abha_address), error, sentence)


def _deactivated(adapter: Adapter, tx: Tx, hip_id: str, abha_address: str, sentence: str) -> None:
    """A link was refused because the ABHA is deactivated: its token is of no use until then."""
    token = links.token_of(tx, adapter, hip_id, abha_address)
    if token is not None:
        ended = replace(
            token,
            state=LinkTokenState.EXPIRED,
            token=None,
            error=AbhaDeactivated.__name__,
            sentence=sentence[:500],
        )
        links.put_token(tx, adapter, ended)
    abha_profiles.doubted(tx, abha_address, sentence, active=False)
    link_changes.abha_deactivated(adapter, tx, abha_address)


def _count_refusal(adapter: Adapter, tx: Tx, batch: str, *, blocked: bool = False) -> None:
    for address in {row.abha_address for row in links.in_batch(tx, batch) if row.abha_address}:
        link_tokens.note_refusal(adapter, tx, address, blocked=blocked)


def _fail(tx: Tx, rows: Sequence[ContextLink], error: str, sentence: str) -> None:
    links.move(tx, rows, CareContextLinkState.FAILED, error=error, sentence=sentence[:500])


def _linked(adapter: Adapter, tx: Tx, batch: str) -> None:
    rows = [
        row for row in links.in_batch(tx, batch) if row.state is not CareContextLinkState.LINKED
    ]
    mark_linked(adapter, tx, rows)
    told = [row for row in rows if row.state is not CareContextLinkState.WITHDRAWN]
    for row in {row.reference: row for row in told}.values():
        tell(adapter, tx, replace(row, notices=0))


def _refused(
    adapter: Adapter,
    tx: Tx,
    batch: str,
    refusal: Exception | None,
    sentence: str,
    *,
    error: str = "",
) -> None:
    rows = [row for row in links.in_batch(tx, batch) if row.state is CareContextLinkState.SENT]
    if not rows:
        return
    if isinstance(refusal, AlreadyDone):
        _linked(adapter, tx, batch)
        return
    error = error or type(refusal).__name__
    address = rows[0].abha_address or ""
    if error == AbhaDeactivated.__name__:
        _deactivated(adapter, tx, rows[0].hip_id, address, sentence)
        return
    if isinstance(refusal, AddressBlocked):
        # `advance` says until when; the record watch's chore of links goes on then.
        links.move(tx, rows, CareContextLinkState.WAITING_FOR_TOKEN, batch=None)
        advance(adapter, tx, rows[0].hip_id, address)
        return
    renewed = any(row.error == LinkTokenRefused.__name__ for row in rows)
    if isinstance(refusal, LinkTokenRefused):
        # The token is of no use to anybody else either.
        token = links.token_of(tx, adapter, rows[0].hip_id, address)
        if token is not None and token.state is LinkTokenState.ACTIVE:
            links.put_token(tx, adapter, replace(token, state=LinkTokenState.EXPIRED, token=None))
        if not renewed:
            links.move(
                tx,
                rows,
                CareContextLinkState.WAITING_FOR_TOKEN,
                error=error,
                sentence="The link token was refused; a new one is asked for.",
            )
            advance(adapter, tx, rows[0].hip_id, address)
            return
    _fail(tx, rows, error, sentence)


TOKEN_HANDLER = Handler(on_generate_link_token, None, PATIENCE)
LINK_HANDLER = Handler(on_hip_link_care_context, None, PATIENCE)
