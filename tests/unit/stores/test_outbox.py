"""The outbox's rows: order, attempts, answers, dead letters, retention. Sending: tests/faults."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapter.protocol.messages import Envelope, HipConsentOnNotifyRequest
from adapter.runtime import Adapter
from adapter.stores import claims, outbox, outbox_delivery, retention
from adapter.stores.db import outbox as table
from adapter.stores.outbox_rows import OutboxRow, State
from tests.rig import FrozenClock

DAY = timedelta(days=1)


def queue(
    adapter: Adapter,
    name: str = "c",
    conversation: str | None = None,
    delay: timedelta = timedelta(0),
) -> str:
    message = HipConsentOnNotifyRequest(name)
    envelope = Envelope("v3", hip_id="hip", response_to="theirs")
    with adapter.db.transaction() as tx:
        return outbox.queue(
            tx,
            adapter,
            envelope,
            message,
            deadline=DAY,
            conversation=conversation,
            subject=name,
            delay=delay,
        )


def claimed(adapter: Adapter) -> OutboxRow:
    row = outbox_delivery.claim(adapter.db, adapter.clock())
    assert row is not None
    return row


def deliver(adapter: Adapter, row: OutboxRow, request_id: str, *, answer: bool = False) -> None:
    with adapter.db.transaction() as tx:
        outbox_delivery.begin_attempt(tx, row, request_id, adapter.clock())
        outbox_delivery.note_outcome(tx, request_id, "sent")
        within = timedelta(seconds=60) if answer else None
        outbox_delivery.delivered(tx, row, adapter.clock(), answer_within=within)


def state(adapter: Adapter, row_id: str) -> str:
    with adapter.db.reading() as tx:
        return str(tx.scalar(sa.select(table.c.state).where(table.c.id == row_id)))


def test_what_is_queued_in_a_rolled_back_transaction_never_leaves(adapter: Adapter) -> None:
    def flow_that_fails() -> None:
        with adapter.db.transaction() as tx:
            outbox.queue(tx, adapter, Envelope("v3"), HipConsentOnNotifyRequest("c"), deadline=DAY)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        flow_that_fails()
    assert outbox_delivery.claim(adapter.db, adapter.clock()) is None


def test_rows_of_one_conversation_are_claimed_in_the_order_of_queueing(adapter: Adapter) -> None:
    queue(adapter, "first", conversation="x")
    queue(adapter, "second", conversation="x")
    row = claimed(adapter)
    assert row.subject == "first"
    assert outbox_delivery.claim(adapter.db, adapter.clock()) is None
    deliver(adapter, row, "a-1")
    assert claimed(adapter).subject == "second"


def test_a_row_waiting_for_its_next_attempt_holds_back_its_conversation_only(
    adapter: Adapter, clock: FrozenClock
) -> None:
    queue(adapter, "first", conversation="x")
    queue(adapter, "second", conversation="x")
    queue(adapter, "other", conversation="y")
    row = claimed(adapter)
    with adapter.db.transaction() as tx:
        again = clock() + timedelta(seconds=30)
        outbox_delivery.failed(tx, row, clock(), "RetryLater", "Busy.", retry_at=again)
    assert claimed(adapter).subject == "other"
    assert outbox_delivery.claim(adapter.db, clock()) is None
    clock.advance(30)
    assert claimed(adapter).subject == "first"


def test_a_dead_letter_no_longer_holds_back_its_conversation(adapter: Adapter) -> None:
    queue(adapter, "first", conversation="x")
    queue(adapter, "second", conversation="x")
    row = claimed(adapter)
    with adapter.db.transaction() as tx:
        outbox_delivery.failed(tx, row, adapter.clock(), "Rejected", "No.", retry_at=None)
    assert claimed(adapter).subject == "second"


def test_a_delayed_row_is_not_claimed_before_its_time(adapter: Adapter, clock: FrozenClock) -> None:
    queue(adapter, delay=timedelta(minutes=7))
    assert outbox_delivery.claim(adapter.db, clock.advance(minutes=6)) is None
    assert outbox_delivery.claim(adapter.db, clock.advance(minutes=1)) is not None


@pytest.mark.parametrize("request_id", ["a-1", "A-1", "a-2"])
def test_an_answer_to_any_attempt_settles_the_row(adapter: Adapter, request_id: str) -> None:
    row_id = queue(adapter)
    row = claimed(adapter)
    with adapter.db.transaction() as tx:
        outbox_delivery.begin_attempt(tx, row, "a-1", adapter.clock())
        outbox_delivery.begin_attempt(tx, row, "a-2", adapter.clock())
    with adapter.db.transaction() as tx:
        found = outbox.answered(tx, request_id, adapter.clock())
    assert found is not None
    assert found.id == row_id
    assert state(adapter, row_id) == State.DONE


def test_an_answer_before_the_attempt_returns_makes_the_settlement_void(adapter: Adapter) -> None:
    row_id = queue(adapter)
    row = claimed(adapter)
    with adapter.db.transaction() as tx:
        outbox_delivery.begin_attempt(tx, row, "a-1", adapter.clock())
    with adapter.db.transaction() as tx:
        outbox.answered(tx, "a-1", adapter.clock())
    with pytest.raises(claims.LeaseLost):
        deliver(adapter, row, "a-9", answer=True)
    assert state(adapter, row_id) == State.DONE


def test_an_answer_that_nobody_asked_for_is_told_so(adapter: Adapter) -> None:
    with adapter.db.transaction() as tx:
        assert outbox.answered(tx, "never-sent", adapter.clock()) is None
        assert outbox.answered(tx, None, adapter.clock()) is None


def test_a_second_answer_sees_that_the_row_was_done(adapter: Adapter) -> None:
    queue(adapter)
    deliver(adapter, claimed(adapter), "a-1", answer=True)
    states = []
    for _ in range(2):
        with adapter.db.transaction() as tx:
            found = outbox.answered(tx, "a-1", adapter.clock())
        states.append(found and found.state)
    assert states == [State.AWAITING, State.DONE]


def test_a_dead_letter_can_be_sent_again_with_its_first_allowance(
    adapter: Adapter, clock: FrozenClock
) -> None:
    row_id = queue(adapter)
    row = claimed(adapter)
    with adapter.db.transaction() as tx:
        outbox_delivery.failed(tx, row, clock(), "Rejected", "No.", retry_at=None)
    with adapter.db.reading() as tx:
        assert [(row.id, row.sentence) for row in outbox_delivery.dead_letters(tx)] == [
            (row_id, "No.")
        ]
    clock.advance(days=3)
    with adapter.db.transaction() as tx:
        assert outbox_delivery.retry(tx, row_id, clock())
        assert not outbox_delivery.retry(tx, row_id, clock())
        assert outbox_delivery.dead_letters(tx) == []
    assert claimed(adapter).deadline == clock() + DAY


def test_what_ended_a_week_ago_is_blanked_and_can_no_longer_be_sent_again(
    adapter: Adapter, clock: FrozenClock
) -> None:
    row_id = queue(adapter)
    row = claimed(adapter)
    with adapter.db.transaction() as tx:
        outbox_delivery.failed(tx, row, clock(), "Rejected", "No.", retry_at=None)
        retention.purge(tx, clock.advance(days=7))
        assert not outbox_delivery.retry(tx, row_id, clock())
        assert [row.id for row in outbox_delivery.dead_letters(tx)] == [row_id]


def test_an_audit_event_that_never_arrived_keeps_its_body(
    adapter: Adapter, clock: FrozenClock
) -> None:
    with adapter.db.transaction() as tx:
        row_id = outbox.queue_audit(tx, adapter, {"resourceType": "AuditEvent"})
    row = claimed(adapter)
    with adapter.db.transaction() as tx:
        outbox_delivery.failed(tx, row, clock(), "FhirRejected", "No.", retry_at=None)
    with adapter.db.transaction() as tx:
        retention.purge(tx, clock.advance(days=365))
        assert outbox_delivery.retry(tx, row_id, clock())


def test_done_rows_and_their_attempts_are_forgotten_after_a_month(
    adapter: Adapter, clock: FrozenClock
) -> None:
    queue(adapter)
    deliver(adapter, claimed(adapter), "a-1")
    with adapter.db.transaction() as tx:
        retention.purge(tx, clock.advance(days=30))
        assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        assert outbox.answered(tx, "a-1", clock()) is None


def test_a_one_time_password_is_blanked_once_it_is_sent(adapter: Adapter) -> None:
    with adapter.db.transaction() as tx:
        outbox.queue_otp(
            tx,
            adapter,
            mobile="9876543210",
            text="Your OTP is 123456",
            subject="s",
            deadline=timedelta(minutes=10),
        )
    deliver(adapter, claimed(adapter), "a-1")
    with adapter.db.reading() as tx:
        assert tx.scalar(sa.select(table.c.body)) is None


def test_nothing_readable_of_a_message_stands_in_the_database(
    adapter: Adapter, tmp_path: Path
) -> None:
    with adapter.db.transaction() as tx:
        outbox.queue_otp(
            tx,
            adapter,
            mobile="9876543210",
            text="Your OTP is 123456",
            subject="subject-of-it",
            deadline=timedelta(minutes=10),
        )
    adapter.db.close()
    files = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"subject-of-it" in files
    assert b"9876543210" not in files
    assert b"123456" not in files


def test_only_a_fhir_reference_can_be_marked_as_linked(adapter: Adapter) -> None:
    with adapter.db.transaction() as tx, pytest.raises(ValueError, match="FHIR reference"):
        outbox.queue_tag_linked(tx, adapter, "Encounter-1")
