"""Link tokens that have to be proven first: how, by whom, and what follows.

    GenerateLinkTokenRequest → LinkTokenModes → LinkTokenInit → LinkTokenChallenge
        demographics                → LinkTokenConfirm, at once
        an OTP on the patient's phone → waits for the desk → LinkTokenConfirm
        the patient's own app         → waits for LinkTokenNotify
                                    → OnGenerateLinkToken (`link_answers`)

Where ABDM gives a token without a challenge none of these messages comes, and nothing here runs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from adapter.flows import link_answers, link_tokens
from adapter.flows.handler import ANY_REPLY, TAKEN, Commit, Handler, Outcome
from adapter.flows.linked import answered
from adapter.protocol import routes
from adapter.protocol.errors import (
    Conflict,
    IllegalTransition,
    MalformedRequest,
    NotFound,
    Rejected,
)
from adapter.protocol.messages import (
    AuthMode,
    Demographics,
    Envelope,
    GenerateLinkTokenRequest,
    LinkTokenChallenge,
    LinkTokenConfirm,
    LinkTokenInit,
    LinkTokenModes,
    LinkTokenNotify,
    LinkTokenOnNotifyRequest,
)
from adapter.protocol.refusals import reaction
from adapter.rules.states import LinkTokenState, allowed
from adapter.runtime import Adapter
from adapter.stores import link_challenges, links, outbox
from adapter.stores.db import Tx
from adapter.stores.link_challenges import Challenge
from adapter.stores.links import LinkToken

#: What needs nobody comes first, what needs the patient's phone last.
PREFERRED: tuple[AuthMode, ...] = ("DEMOGRAPHICS", "MOBILE_OTP", "AADHAAR_OTP", "DIRECT")
#: How long a person has where ABDM does not say.
CHALLENGE_LIFE = timedelta(minutes=10)
PATIENCE = timedelta(hours=1)


def on_modes(adapter: Adapter, envelope: Envelope, message: LinkTokenModes) -> Commit:
    """Choose a way and ask for it; none fits: no token, and the links fail with the reason."""

    def commit(tx: Tx) -> None:
        token = _asked(adapter, tx, envelope, LinkTokenModes)
        if token is None:
            return
        if message.error is not None:
            refusal = reaction("GenerateLinkTokenRequest", message.error)
            link_answers.no_token(adapter, tx, token, refusal)
            return
        mode = _mode(message.modes, token.request)
        if mode is None:
            sentence = (
                "ABDM offers no way to prove this patient that can be used here "
                f"({', '.join(message.modes) or 'none'}). Where it names DEMOGRAPHICS, put the "
                "full date of birth on the record, then link again."
            )
            link_answers.no_token(adapter, tx, token, Rejected(sentence))
            return
        _say(adapter, tx, envelope, LinkTokenInit(token.request.abha_address, mode), token)

    return commit


def on_challenge(adapter: Adapter, envelope: Envelope, message: LinkTokenChallenge) -> Commit:
    """Answer with the demographics, or wait for the person who can."""

    def commit(tx: Tx) -> None:
        token = _asked(adapter, tx, envelope, LinkTokenChallenge)
        if token is None:
            return
        if message.error is not None or not message.transaction_id or not message.mode:
            refusal = reaction("LinkTokenInit", message.error)
            link_answers.no_token(adapter, tx, token, refusal)
            return
        request = token.request
        if message.mode == "DEMOGRAPHICS" and request.birth_date is not None:
            person = Demographics(request.name, request.gender, request.birth_date, request.mobile)
            confirm = LinkTokenConfirm(message.transaction_id, demographics=person)
            _say(adapter, tx, envelope, confirm, token)
            return
        now = adapter.clock()
        challenge = Challenge(
            token_id=token.id,
            hip_id=token.hip_id,
            transaction_id=message.transaction_id,
            mode=message.mode,
            hint=(message.hint or "")[:64] or None,
            dialect=envelope.dialect,
            created_at=now,
            expires_at=message.expires_at or now + CHALLENGE_LIFE,
        )
        link_challenges.put(tx, challenge)
        links.put_token(tx, adapter, _in_state(token, LinkTokenState.CHALLENGED))

    return commit


def on_notify(adapter: Adapter, envelope: Envelope, message: LinkTokenNotify) -> Commit:
    """The patient decided in their app: the token is kept, or the links fail; acknowledged."""

    def commit(tx: Tx) -> None:
        hip_id = envelope.hip_id or ""
        challenge = link_challenges.by_transaction(tx, hip_id, message.transaction_id)
        token = links.token_by_id(tx, adapter, challenge.token_id) if challenge else None
        if token is None or not allowed(token.state, LinkTokenState.ACTIVE):
            raise IllegalTransition("This decides about no challenge of ours; ignored.")
        if message.granted and message.link_token:
            link_answers.keep_token(
                adapter,
                tx,
                token,
                message.link_token,
                expires_at=message.expires_at,
                uses=message.uses,
            )
        else:
            sentence = "The patient did not allow it in their app; ask them, then link again."
            link_answers.give_up_token(adapter, tx, token, Rejected.__name__, sentence)
        outbox.queue(tx, adapter, envelope.reply(), LinkTokenOnNotifyRequest(), deadline=ANY_REPLY)

    return commit


def refuse_notify(
    _envelope: Envelope, _message: LinkTokenNotify, error: str
) -> tuple[LinkTokenOnNotifyRequest, timedelta]:
    """LinkTokenOnNotifyRequest with the error."""
    return LinkTokenOnNotifyRequest(error), ANY_REPLY


def confirm_otp(adapter: Adapter, challenge_id: str, otp: str, *, hip_ids: Collection[str]) -> None:
    """Send the OTP as typed at the desk; the answer comes by callback.

    Raises NotFound (no such challenge of these facilities), MalformedRequest (no OTP), Conflict
    (too late, or nothing to type).
    """
    typed = otp.strip()
    if not (typed.isascii() and typed.isdigit() and len(typed) <= 8):
        raise MalformedRequest("otp must be the digits that the patient got.")
    with adapter.db.transaction() as tx:
        challenge = link_challenges.of_token(tx, challenge_id)
        if challenge is None or challenge.hip_id not in hip_ids:
            raise NotFound("There is no such challenge at your facilities.")
        if challenge.mode == "DIRECT":
            raise Conflict("There is nothing to type: the patient allows it in their own app.")
        left = challenge.expires_at - adapter.clock()
        if left <= timedelta(0):
            raise Conflict("This OTP has expired; link the visit again, and a new one is sent.")
        link_challenges.note(tx, challenge_id, "")
        outbox.queue(
            tx,
            adapter,
            Envelope(challenge.dialect, hip_id=challenge.hip_id),
            LinkTokenConfirm(challenge.transaction_id, otp=typed),
            deadline=left,
            subject=challenge_id,
        )
    adapter.wake()


def after_init(adapter: Adapter, tx: Tx, token_id: str, outcome: Outcome) -> None:
    """Taken: the callback decides. Else there is no token."""
    _after(adapter, tx, token_id, outcome, LinkTokenInit)


def after_confirm(adapter: Adapter, tx: Tx, token_id: str, outcome: Outcome) -> None:
    """As `after_init`; an OTP that did not get there may be typed again."""
    token = links.token_by_id(tx, adapter, token_id)
    if token is not None and link_tokens.challenged(adapter, tx, token) and outcome not in TAKEN:
        said = outbox.sentence_of(tx, LinkTokenConfirm.__name__, token_id)
        link_challenges.note(tx, token_id, said or "The OTP did not reach ABDM; type it again.")
        return
    _after(adapter, tx, token_id, outcome, LinkTokenConfirm)


def _after(adapter: Adapter, tx: Tx, token_id: str, outcome: Outcome, message: type) -> None:
    token = links.token_by_id(tx, adapter, token_id)
    open_states = (LinkTokenState.REQUESTED, LinkTokenState.CHALLENGED)
    if outcome in TAKEN or token is None or token.state not in open_states:
        return
    said = outbox.sentence_of(tx, message.__name__, token_id) or "Link again."
    sentence = f"ABDM gave no link token. {said}"
    link_answers.give_up_token(adapter, tx, token, outcome, sentence)


def _asked(adapter: Adapter, tx: Tx, envelope: Envelope, answer: type) -> LinkToken | None:
    """The token whose request this answers, None where it is not being asked for any more."""
    name = routes.question_of(envelope.dialect, answer)
    token = links.token_by_id(tx, adapter, answered(adapter, tx, envelope, name))
    return token if token is not None and token.state is LinkTokenState.REQUESTED else None


def _mode(offered: tuple[AuthMode, ...], request: GenerateLinkTokenRequest) -> AuthMode | None:
    for mode in PREFERRED:
        if mode in offered and (mode != "DEMOGRAPHICS" or request.birth_date is not None):
            return mode
    return None


def _in_state(token: LinkToken, state: LinkTokenState) -> LinkToken:
    return replace(token, state=state, sentence=link_tokens.CHALLENGED_SENTENCE)


def _say(
    adapter: Adapter,
    tx: Tx,
    envelope: Envelope,
    message: LinkTokenInit | LinkTokenConfirm,
    token: LinkToken,
) -> None:
    going = Envelope(envelope.dialect, hip_id=token.hip_id)
    outbox.queue(tx, adapter, going, message, deadline=ANY_REPLY, subject=token.id)


MODES_HANDLER = Handler(on_modes, None, PATIENCE)
CHALLENGE_HANDLER = Handler(on_challenge, None, PATIENCE)
NOTIFY_HANDLER = Handler(on_notify, refuse_notify, PATIENCE)
