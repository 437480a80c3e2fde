"""Link tokens: one for each (HIP, ABHA address), asked for as rarely as ABDM wants it.

A token serves any number of links for six months; one that ends within a day is replaced before it
is used. Only one request for it is under way, and none leaves within LINK_TOKEN_PACING_SECONDS of
the last one about the same address, whichever facility, worker or attempt it comes from: the
gateway answers a second one with 1092 and hides the real reason, and too many refusals earn a 24 h
block (V3 contract 6.1; cases HIP_INTI_LINK_501 to 505). So the moment of leaving decides
(`not_before`), and after LINK_REFUSALS_PER_DAY refusals an address is left alone for the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from adapter.flows.handler import ANY_REPLY
from adapter.flows.linked import self_started
from adapter.protocol.errors import AskedAlready, Rejected
from adapter.protocol.messages import GenerateLinkTokenRequest
from adapter.rules import demographics, link_pace
from adapter.rules.patients import GENDER_LETTERS, PatientFacts, folded, whole_date
from adapter.rules.states import CareContextLinkState, LinkTokenState
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, link_challenges, links, outbox
from adapter.stores import link_pace as paces
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink, LinkToken
from adapter.stores.outbox_rows import OutboxRow

#: A token that ends sooner is not used any more: a link must not outlive it under way.
LAST_DAY = timedelta(days=1)
CHALLENGED_SENTENCE = (
    "ABDM wants the patient's proof first: type the OTP that they got (GET "
    "/hims/v1/links/challenges names it), or let them allow it in their app."
)


def request_of(
    adapter: Adapter, tx: Tx, facts: PatientFacts, address: str
) -> GenerateLinkTokenRequest | None:
    """What a token is asked for with, None where name, gender or year of birth is not known.

    The verified ABHA profile of this very patient says it in ABDM's own words (case
    HIP_INTI_LINK_502); without one, the hospital's record does.
    """
    row = abha_profiles.by_patient(tx, adapter, facts.patient_id)
    if row is not None and row.verified and folded(row.profile.health_id or "") == folded(address):
        told = row.profile
        if told.name and told.gender and told.year_of_birth:
            number = told.abha_number or next(iter(facts.abha_numbers), None)
            return GenerateLinkTokenRequest(
                address,
                number,
                told.name,
                told.gender,
                told.year_of_birth,
                birth_date=whole_date(told.date_of_birth),
                mobile=told.full_mobile,
            )
    if not facts.names or facts.gender is None or facts.birth_year is None:
        return None
    return GenerateLinkTokenRequest(
        abha_address=address,
        abha_number=next(iter(facts.abha_numbers), None),
        name=facts.names[0],
        gender=GENDER_LETTERS.get(facts.gender, "U"),
        year_of_birth=facts.birth_year,
        birth_date=facts.birth_date,
        mobile=next(iter(facts.mobiles), None),
    )


def prepared(adapter: Adapter, tx: Tx, hip_id: str, request: GenerateLinkTokenRequest) -> LinkToken:
    """The stored row of this HIP and address, with this request as the next to be made.

    A token in force stays with the request that it was made by: the ABHA number given then must be
    given on each link (6.2). A request that still waits to leave gives way to a corrected one.
    """
    token = links.token_of(tx, adapter, hip_id, request.abha_address)
    if token is None:
        first = LinkToken(
            id=links.new_id(),
            hip_id=hip_id,
            abha_address=request.abha_address,
            state=LinkTokenState.EXPIRED,
            token=None,
            request=request,
            requested_at=adapter.clock(),
        )
        links.add_token(tx, adapter, first)
        token = links.token_of(tx, adapter, hip_id, request.abha_address) or first
    if token.state is LinkTokenState.REQUESTED and request != token.request:
        sentence = "The patient's record was corrected before this left."
        if not outbox.withdraw(tx, token.id, adapter.clock(), "Corrected", sentence):
            return token  # it has left: its answer decides
        token = replace(token, state=LinkTokenState.EXPIRED, request=request)
    elif token.state is LinkTokenState.CHALLENGED and not challenged(adapter, tx, token):
        token = replace(token, state=LinkTokenState.EXPIRED, request=request)
    elif not in_force(adapter, token):
        token = replace(token, request=request)
    links.put_token(tx, adapter, token)
    return token


def ask_for_token(adapter: Adapter, tx: Tx, hip_id: str, request: GenerateLinkTokenRequest) -> None:
    """Have a link token at hand before there is anything to link; nothing where one is in force or
    asked for already."""
    token = prepared(adapter, tx, hip_id, request)
    under_way = token.state is LinkTokenState.REQUESTED or challenged(adapter, tx, token)
    if not under_way and not in_force(adapter, token):
        ask(adapter, tx, token)


def in_force(adapter: Adapter, token: LinkToken) -> bool:
    """Whether links may be made with this token."""
    ends = token.expires_at
    return (
        token.state is LinkTokenState.ACTIVE
        and ends is not None
        and ends - LAST_DAY > adapter.clock()
    )


def challenged(adapter: Adapter, tx: Tx, token: LinkToken) -> bool:
    """Whether a person can still prove this request: at the desk, or in the patient's app."""
    if token.state is not LinkTokenState.CHALLENGED:
        return False
    challenge = link_challenges.of_token(tx, token.id)
    return challenge is not None and challenge.expires_at > adapter.clock()


def lapsed(adapter: Adapter, tx: Tx, token: LinkToken, rows: Sequence[ContextLink]) -> str:
    """Nobody proved the request in time: the links fail, and nothing is asked again by itself,
    since each request may send the patient another OTP. Returns the sentence that says so."""
    sentence = "Nobody gave the patient's proof in time; link again when the patient is there."
    error = Rejected.__name__
    link_challenges.drop(tx, token.id)
    refused = replace(
        token, state=LinkTokenState.REJECTED, token=None, error=error, sentence=sentence
    )
    links.put_token(tx, adapter, refused)
    links.move(tx, rows, CareContextLinkState.FAILED, error=error, sentence=sentence)
    return sentence


def ask(adapter: Adapter, tx: Tx, token: LinkToken) -> str:
    """Queue a request for this token; a sentence if it has to wait."""
    now = adapter.clock()
    delay = _next_request(adapter, paces.of(tx, adapter, token.abha_address), now) - now
    links.put_token(
        tx,
        adapter,
        replace(
            token,
            state=LinkTokenState.REQUESTED,
            token=None,
            requested_at=now + delay,
            expires_at=None,
            error=None,
            sentence=None,
        ),
    )
    outbox.queue(
        tx,
        adapter,
        self_started(adapter, token.hip_id),
        token.request,
        deadline=delay + ANY_REPLY,
        delay=delay,
        subject=token.id,
    )
    return wait_sentence(adapter, delay)


def wait_sentence(adapter: Adapter, delay: timedelta) -> str:
    """Why the next call about an address waits so long; "" where it does not."""
    if delay <= timedelta(0):
        return ""
    if delay > timedelta(seconds=adapter.config.link_token_pacing_seconds):
        return (
            "ABDM refused so many calls about this ABHA address that it would block it for a day; "
            f"the next leaves in {delay.total_seconds() / 3600:.0f} hours. Set right what the "
            "refusals said until then."
        )
    return (
        "A link token was asked for a moment ago; the next request leaves in "
        f"{int(delay.total_seconds() // 60) + 1} minutes, as ABDM requires."
    )


def not_before(adapter: Adapter, tx: Tx, row: OutboxRow) -> datetime | None:
    """When this request may leave, or None: now, and then it counts as asked. Looked at in the
    transaction that commits the attempt, so it holds for repeated attempts of any worker too."""
    token = links.token_by_id(tx, adapter, row.subject or "")
    if token is None:
        return None
    pace = paces.of(tx, adapter, token.abha_address)
    if row.error == AskedAlready.__name__ and pace.asked_at is not None:
        pace = link_pace.refused(pace, pace.asked_at)
    now = adapter.clock()
    due_at = _next_request(adapter, pace, now)
    paces.put(tx, token.abha_address, pace if due_at > now else replace(pace, asked_at=now))
    return due_at if due_at > now else None


def call_delay(adapter: Adapter, tx: Tx, abha_address: str) -> timedelta:
    """How long the next link about this address has to wait."""
    now = adapter.clock()
    most = adapter.config.link_refusals_per_day
    pace = paces.of(tx, adapter, abha_address)
    return link_pace.next_call(pace, now, most_refusals=most) - now


def note_refusal(adapter: Adapter, tx: Tx, abha_address: str, *, blocked: bool = False) -> None:
    """ABDM refused a call about this address; `blocked`: it said that it blocks it for a day."""
    now = adapter.clock()
    pace = link_pace.refused(paces.of(tx, adapter, abha_address), now)
    if blocked:
        pace = replace(pace, blocked_until=now + link_pace.DAY)
    paces.put(tx, abha_address, pace)


def advice(adapter: Adapter, tx: Tx, token: LinkToken) -> str:
    """What to correct where ABDM says that the request does not fit the ABHA."""
    number, address = token.request.abha_number, token.abha_address
    rows = abha_profiles.by_identifiers(tx, adapter, None, address)
    rows = rows or abha_profiles.by_identifiers(tx, adapter, number, None)
    return demographics.advice(token.request, rows[0].profile if rows else None)


def _next_request(adapter: Adapter, pace: link_pace.Pace, now: datetime) -> datetime:
    """`now` is the caller's, who compares with it: a clock read again would always be later."""
    config = adapter.config
    return link_pace.next_token_request(
        pace,
        now,
        between=timedelta(seconds=config.link_token_pacing_seconds),
        most_refusals=config.link_refusals_per_day,
    )
