"""The outbox against a real HTTP server that fails, refuses, delays and answers early."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.wrappers import Request, Response

from adapter import flows, work
from adapter.protocol.messages import (
    Envelope,
    GenerateLinkTokenRequest,
    HipConsentOnNotifyRequest,
    HipLinkCareContextRequest,
)
from adapter.runtime import Adapter
from adapter.stores import outbox, outbox_delivery
from adapter.stores.db import Tx, outbox_attempt
from adapter.stores.db import outbox as table
from adapter.stores.outbox_rows import State
from tests.rig import HIP_ID, FrozenClock, adapter_over, run_until_idle, sqlite_url
from tests.unit.upstream.fake_gateway import FakeGateway, fake_gateway

ACK = HipConsentOnNotifyRequest("4e0f0f0c-8c2a-4c51-8f3c-26e7d4d4f2a1")
LINK = HipLinkCareContextRequest("asha@sbx", None, (), "the-link-token")
TOKEN_REQUEST = GenerateLinkTokenRequest("asha@sbx", None, "Asha Devi", "F", 1990)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway() as running:
        yield running


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def adapter(tmp_path: Path, clock: FrozenClock, gateway: FakeGateway) -> Adapter:
    return adapter_over(sqlite_url(tmp_path), clock, abdm_url=gateway.url)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What AFTER_SEND was told, as (subject, outcome)."""
    heard: list[tuple[str, str]] = []

    def hook(_adapter: Adapter, _tx: Tx, subject: str, outcome: str) -> None:
        heard.append((subject, outcome))

    for message in (HipConsentOnNotifyRequest, HipLinkCareContextRequest, GenerateLinkTokenRequest):
        monkeypatch.setitem(flows.AFTER_SEND, message, hook)
    return heard


def queue(adapter: Adapter, message: Any = ACK, seconds: float = 86400) -> str:
    with adapter.db.transaction() as tx:
        return outbox.queue(
            tx,
            adapter,
            Envelope("v3", hip_id=HIP_ID, response_to="8a7b2b3e-6a0e-4d5e-9b7e-0b3f6c0a7a11"),
            message,
            deadline=timedelta(seconds=seconds),
            subject="s-1",
        )


def row(adapter: Adapter, row_id: str) -> Any:
    with adapter.db.reading() as tx:
        return tx.execute(sa.select(table).where(table.c.id == row_id)).one()


def script(gateway: FakeGateway, *answers: Response) -> None:
    """Answer these in turn, then 202."""
    waiting = list(answers)
    gateway.answer = lambda _request: waiting.pop(0) if waiting else Response(status=202)


def refusal(code: str, message: str = "", status: int = 400) -> Response:
    body = {"error": {"code": code, "message": message}}
    return Response(json.dumps(body), status, content_type="application/json")


def test_a_delivered_message_is_done_and_its_flow_is_told(
    adapter: Adapter, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    row_id = queue(adapter)
    run_until_idle(adapter)
    assert row(adapter, row_id).state == State.DONE
    assert told == [("s-1", "sent")]
    assert len(gateway.visits()) == 1


def test_every_attempt_has_its_own_request_id_stored_before_it_leaves(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway
) -> None:
    stored_at_arrival = []

    def answer(request: Request) -> Response:
        with adapter.db.reading() as tx:
            ids = set(tx.scalars(sa.select(outbox_attempt.c.request_id)))
        stored_at_arrival.append(request.headers["REQUEST-ID"] in ids)
        return Response(status=503)

    gateway.answer = answer
    queue(adapter)
    for _ in range(3):
        run_until_idle(adapter)
        clock.advance(60)
    ids = [visit.headers["request-id"] for visit in gateway.visits()]
    assert len(set(ids)) == 3
    assert stored_at_arrival == [True] * 3


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_outage_delays_a_message_and_loses_nothing(
    adapter: Adapter,
    clock: FrozenClock,
    gateway: FakeGateway,
    status: int,
    told: list[tuple[str, str]],
) -> None:
    script(gateway, Response(status=status), Response(status=status))
    row_id = queue(adapter)
    run_until_idle(adapter)
    assert run_until_idle(adapter, ["outbox"]) == 0
    assert told == []
    clock.advance(2.4)
    run_until_idle(adapter)
    clock.advance(4.8)
    run_until_idle(adapter)
    assert row(adapter, row_id).state == State.DONE
    assert told == [("s-1", "sent")]


def test_retry_after_is_honoured(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway
) -> None:
    script(gateway, Response(status=429, headers={"Retry-After": "120"}))
    queue(adapter)
    run_until_idle(adapter)
    clock.advance(119)
    assert run_until_idle(adapter, ["outbox"]) == 0
    clock.advance(30)
    assert run_until_idle(adapter, ["outbox"]) == 1


def test_at_the_deadline_a_message_becomes_a_dead_letter_that_can_be_sent_again(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    gateway.answer = lambda _request: Response(status=503)
    row_id = queue(adapter, seconds=10)
    for _ in range(12):
        run_until_idle(adapter)
        clock.advance(1)
    dead = row(adapter, row_id)
    assert dead.state == State.DEAD
    assert len(gateway.visits()) >= 3
    assert [outcome for _, outcome in told] == [dead.error]
    script(gateway)
    with adapter.db.transaction() as tx:
        assert outbox_delivery.retry(tx, row_id, clock())
    run_until_idle(adapter)
    assert row(adapter, row_id).state == State.DONE


def test_a_message_found_after_its_deadline_does_not_leave(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway
) -> None:
    row_id = queue(adapter, seconds=10)
    clock.advance(11)
    run_until_idle(adapter)
    assert gateway.visits() == []
    assert row(adapter, row_id).error == "DeadlinePassed"


def test_a_refused_token_is_renewed_and_the_message_tried_once_more_at_once(
    adapter: Adapter, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    script(gateway, Response(status=401))
    row_id = queue(adapter)
    run_until_idle(adapter)
    first, second = gateway.visits()
    assert first.headers["authorization"] != second.headers["authorization"]
    assert first.headers["request-id"] != second.headers["request-id"]
    assert row(adapter, row_id).state == State.DONE
    assert told == [("s-1", "sent")]


def test_a_lasting_401_is_a_dead_letter_after_two_attempts(
    adapter: Adapter, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    gateway.answer = lambda _request: Response(status=401)
    row_id = queue(adapter)
    run_until_idle(adapter)
    assert len(gateway.visits()) == 2
    assert row(adapter, row_id).state == State.DEAD
    assert told == [("s-1", "SessionExpired")]


def test_what_the_gateway_has_already_counts_as_delivered(
    adapter: Adapter, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    script(gateway, refusal("ABDM-1090", "Duplicate request"))
    row_id = queue(adapter, LINK)
    run_until_idle(adapter)
    assert (row(adapter, row_id).state, told) == (State.DONE, [("s-1", "AlreadyDone")])


def test_a_refusal_for_good_is_a_dead_letter_with_the_gateways_reason(
    adapter: Adapter, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    script(gateway, refusal("ABDM-9998", "Not acceptable"))
    row_id = queue(adapter)
    run_until_idle(adapter)
    dead = row(adapter, row_id)
    assert (dead.state, dead.error) == (State.DEAD, "Rejected")
    assert "ABDM-9998" in dead.sentence
    assert told == [("s-1", "Rejected")]


def test_a_callback_faster_than_our_own_settlement_leaves_the_row_done(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    def answer(request: Request) -> Response:
        with adapter.db.transaction() as tx:
            outbox.answered(tx, request.headers["REQUEST-ID"], clock())
        return Response(status=202)

    gateway.answer = answer
    row_id = queue(adapter, LINK)
    run_until_idle(adapter)
    assert row(adapter, row_id).state == State.DONE
    clock.advance(minutes=5)
    work.sweep(adapter)
    assert run_until_idle(adapter, ["outbox"]) == 0
    assert len(gateway.visits()) == 1
    assert told == []


def test_an_unanswered_message_is_sent_once_more_under_a_new_id_and_then_shown(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    row_id = queue(adapter, LINK)
    run_until_idle(adapter)
    for visits in (1, 2, 2):
        work.sweep(adapter)
        run_until_idle(adapter)
        clock.advance(59)
        work.sweep(adapter)
        run_until_idle(adapter)
        assert len(gateway.visits()) == visits
        clock.advance(1)
    assert len({visit.headers["request-id"] for visit in gateway.visits()}) == 2
    assert row(adapter, row_id).state == State.UNANSWERED
    assert told == [("s-1", "sent"), ("s-1", "sent"), ("s-1", "Unanswered")]
    with adapter.db.reading() as tx:
        assert "service id" in (outbox_delivery.dead_letters(tx)[0].sentence or "")


def test_an_unanswered_link_token_request_is_not_repeated(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    row_id = queue(adapter, TOKEN_REQUEST)
    run_until_idle(adapter)
    clock.advance(60)
    work.sweep(adapter)
    run_until_idle(adapter)
    assert len(gateway.visits()) == 1
    assert row(adapter, row_id).state == State.UNANSWERED
    assert told == [("s-1", "sent"), ("s-1", "Unanswered")]


def test_a_late_answer_still_finds_an_unanswered_row(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway, told: list[tuple[str, str]]
) -> None:
    row_id = queue(adapter, TOKEN_REQUEST)
    run_until_idle(adapter)
    clock.advance(60)
    work.sweep(adapter)
    with adapter.db.transaction() as tx:
        found = outbox.answered(tx, gateway.visits()[0].headers["request-id"], clock())
    assert found is not None
    assert found.state == State.UNANSWERED
    assert row(adapter, row_id).state == State.DONE


class Killed(BaseException):
    """The process is gone: nothing below may catch it."""


def test_a_sender_killed_after_sending_sends_again_when_its_lease_lapses(
    adapter: Adapter,
    clock: FrozenClock,
    gateway: FakeGateway,
    monkeypatch: pytest.MonkeyPatch,
    told: list[tuple[str, str]],
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise Killed

    row_id = queue(adapter)
    with monkeypatch.context() as patch:
        patch.setattr(outbox_delivery, "delivered", kill)
        with pytest.raises(Killed):
            run_until_idle(adapter)
    assert told == []
    clock.advance(59)
    assert run_until_idle(adapter, ["outbox"]) == 0
    clock.advance(1)
    run_until_idle(adapter)
    assert row(adapter, row_id).state == State.DONE
    assert told == [("s-1", "sent")]
    assert len({visit.headers["request-id"] for visit in gateway.visits()}) == 2


def test_a_fault_in_what_follows_does_not_send_a_message_twice(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setitem(flows.AFTER_SEND, HipConsentOnNotifyRequest, fault)
    row_id = queue(adapter)
    run_until_idle(adapter)
    clock.advance(3600)
    run_until_idle(adapter)
    assert row(adapter, row_id).state == State.DONE
    assert len(gateway.visits()) == 1


def test_an_audit_event_waits_out_an_outage_of_the_fhir_server(
    adapter: Adapter, clock: FrozenClock
) -> None:
    with adapter.db.transaction() as tx:
        row_id = outbox.queue_audit(tx, adapter, {"resourceType": "AuditEvent"})
    for _ in range(5):
        run_until_idle(adapter)
        clock.advance(days=1)
    waiting = row(adapter, row_id)
    assert (waiting.state, waiting.error) == (State.WAITING, "FhirUnavailable")


def test_a_one_time_password_that_no_service_can_send_is_given_up_and_blanked(
    tmp_path: Path, clock: FrozenClock
) -> None:
    adapter = adapter_over(sqlite_url(tmp_path), clock, otp_url="")
    with adapter.db.transaction() as tx:
        row_id = outbox.queue_otp(
            tx,
            adapter,
            mobile="9876543210",
            text="123456",
            subject="s",
            deadline=timedelta(minutes=10),
        )
    run_until_idle(adapter)
    given_up = row(adapter, row_id)
    assert (given_up.state, given_up.error, given_up.body) == (State.DEAD, "OtpNotSent", None)


def test_a_row_that_cannot_be_read_ends_as_a_dead_letter_after_three_attempts(
    adapter: Adapter, clock: FrozenClock, gateway: FakeGateway
) -> None:
    row_id = queue(adapter)
    with adapter.db.transaction() as tx:
        tx.execute(sa.update(table).values(body=b"sealed under a lost key"))
    for _ in range(5):
        run_until_idle(adapter)
        clock.advance(minutes=1)
    dead = row(adapter, row_id)
    assert (dead.state, dead.error, dead.attempts) == (State.DEAD, "Unexpected", 3)
    assert gateway.visits() == []
