"""The inbox lane: what a stored callback becomes, also when things fail or the worker is killed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from adapter import flows
from adapter.protocol import stored
from adapter.protocol.errors import (
    FhirUnavailable,
    IllegalTransition,
    OtpInvalid,
    RetryLater,
)
from adapter.protocol.messages import (
    Envelope,
    LinkConfirm,
    OnCareContextNotify,
    OnLinkConfirmRequest,
)
from adapter.runtime import Adapter
from adapter.stores import db as tables
from adapter.stores import inbox, outbox, settings
from adapter.stores.db import Tx
from tests.rig import HIP_ID, FrozenClock, adapter_over, run_until_idle, sqlite_url

REQUEST_ID = "0f4b6a3c-9f3e-4a43-8c2f-0d1f2a3b4c5d"
CONFIRM = {"confirmation": {"linkRefNumber": "ref-1", "token": "123456"}}
LINK_REPLY = timedelta(seconds=60)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def adapter(tmp_path: Path, clock: FrozenClock) -> Adapter:
    return adapter_over(sqlite_url(tmp_path), clock)


class Flow:
    """A handler whose behaviour a test decides; `fhir` counts what it did outside SQL."""

    def __init__(self) -> None:
        self.fhir = 0
        self.fail: Callable[[], None] = lambda: None
        self.in_commit: Callable[[], None] = lambda: None

    def handle(self, adapter: Adapter, envelope: Envelope, message: LinkConfirm) -> flows.Commit:
        self.fhir += 1
        self.fail()

        def commit(tx: Tx) -> None:
            settings.put_once(adapter.db, tx, "handled", message.link_reference)
            outbox.queue(tx, adapter, envelope.reply(), OnLinkConfirmRequest(), deadline=LINK_REPLY)
            self.in_commit()

        return commit

    @staticmethod
    def refuse(
        _envelope: Envelope, _message: LinkConfirm, error: str
    ) -> tuple[OnLinkConfirmRequest, timedelta]:
        return OnLinkConfirmRequest(error=error), LINK_REPLY


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch) -> Flow:
    made = Flow()
    handler = flows.Handler(made.handle, made.refuse, patience=timedelta(seconds=8))
    monkeypatch.setitem(flows.HANDLERS, LinkConfirm, handler)
    return made


def receive(
    adapter: Adapter,
    message: type = LinkConfirm,
    body: Any = CONFIRM,
    hip_id: str | None = HIP_ID,
) -> None:
    with adapter.db.transaction() as tx:
        inbox.store(
            tx,
            adapter,
            message=message.__name__,
            dialect="v3",
            request_id=REQUEST_ID,
            hip_id=hip_id,
            hiu_id=None,
            sent_at=adapter.clock(),
            body=orjson.dumps(body),
            patience=timedelta(seconds=8),
        )


def row(adapter: Adapter) -> Any:
    with adapter.db.reading() as tx:
        return tx.execute(sa.select(tables.inbox)).one()


def handled(adapter: Adapter) -> str | None:
    with adapter.db.reading() as tx:
        return settings.get(tx, "handled")


def queued(adapter: Adapter, message: str) -> list[Any]:
    """What the outbox holds of this kind, opened."""
    with adapter.db.reading() as tx:
        rows = tx.execute(sa.select(tables.outbox).where(tables.outbox.c.message == message)).all()
    bodies = [adapter.sealer.open(each.body) for each in rows]
    if message == "AuditEvent":
        return [orjson.loads(body) for body in bodies]
    return [stored.load(message, body) for body in bodies]


def work_for(adapter: Adapter, clock: FrozenClock, seconds: int) -> None:
    """Let this many seconds pass, working each second."""
    run_until_idle(adapter, ["inbox"])
    for _ in range(seconds):
        clock.advance(1)
        run_until_idle(adapter, ["inbox"])


def test_a_callback_is_handled_once_and_its_reply_queued(
    adapter: Adapter, clock: FrozenClock, flow: Flow
) -> None:
    receive(adapter)
    work_for(adapter, clock, 120)
    assert flow.fhir == 1
    assert row(adapter).state == inbox.State.DONE
    assert handled(adapter) == "ref-1"
    assert queued(adapter, "OnLinkConfirmRequest") == [OnLinkConfirmRequest()]
    with adapter.db.reading() as tx:
        reply = tx.execute(sa.select(tables.outbox)).one()
    assert (reply.response_to, reply.hip_id) == (REQUEST_ID, HIP_ID)


class Killed(BaseException):
    """The process is gone: nothing below may catch it."""


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("where", ["after the FHIR write", "during the commit"])
def test_a_worker_killed_before_its_commit_leaves_no_trace_and_the_step_is_repeated(
    adapter: Adapter, clock: FrozenClock, flow: Flow, where: str
) -> None:
    if where == "after the FHIR write":
        flow.fail = kill
    else:
        flow.in_commit = kill
    receive(adapter)
    with pytest.raises(Killed):
        run_until_idle(adapter, ["inbox"])
    assert handled(adapter) is None
    assert queued(adapter, "OnLinkConfirmRequest") == []
    flow.fail = flow.in_commit = lambda: None
    clock.advance(59)
    assert run_until_idle(adapter, ["inbox"]) == 0
    clock.advance(1)
    assert run_until_idle(adapter, ["inbox"]) == 1
    assert flow.fhir == 2
    assert row(adapter).state == inbox.State.DONE
    assert len(queued(adapter, "OnLinkConfirmRequest")) == 1


def test_a_refusal_is_told_to_the_other_side_and_audited(
    adapter: Adapter, clock: FrozenClock, flow: Flow
) -> None:
    def refuse() -> None:
        raise OtpInvalid

    flow.fail = refuse
    receive(adapter)
    work_for(adapter, clock, 10)
    assert flow.fhir == 1
    assert (row(adapter).state, row(adapter).error) == (inbox.State.REFUSED, "OtpInvalid")
    assert queued(adapter, "OnLinkConfirmRequest") == [OnLinkConfirmRequest(error="OtpInvalid")]
    (event,) = queued(adapter, "AuditEvent")
    assert (event["outcome"], event["outcomeDesc"]) == ("4", "OtpInvalid")


def test_a_refusal_inside_the_commit_rolls_the_commit_back(adapter: Adapter, flow: Flow) -> None:
    def refuse() -> None:
        raise OtpInvalid

    flow.in_commit = refuse
    receive(adapter)
    run_until_idle(adapter, ["inbox"])
    assert handled(adapter) is None
    assert queued(adapter, "OnLinkConfirmRequest") == [OnLinkConfirmRequest(error="OtpInvalid")]


@pytest.mark.parametrize(
    "outage",
    [
        FhirUnavailable("The FHIR server cannot be reached."),
        RetryLater("The consent is not there yet."),
        OperationalError("SELECT 1", {}, Exception("the database went away")),
    ],
)
def test_an_outage_shorter_than_patience_only_delays(
    adapter: Adapter, clock: FrozenClock, flow: Flow, outage: Exception
) -> None:
    def fail() -> None:
        if flow.fhir < 3:
            raise outage

    flow.fail = fail
    receive(adapter)
    work_for(adapter, clock, 8)
    assert flow.fhir == 3
    assert row(adapter).state == inbox.State.DONE
    assert queued(adapter, "OnLinkConfirmRequest") == [OnLinkConfirmRequest()]


def test_an_outage_longer_than_patience_is_told_to_the_other_side_in_time(
    adapter: Adapter, clock: FrozenClock, flow: Flow
) -> None:
    def fail() -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    flow.fail = fail
    receive(adapter)
    work_for(adapter, clock, 9)
    refusal = OnLinkConfirmRequest(error="RequestNotServable")
    assert queued(adapter, "OnLinkConfirmRequest") == [refusal]
    assert row(adapter).state == inbox.State.REFUSED
    assert 3 <= flow.fhir <= 6


def test_a_fault_of_ours_is_tried_three_times_and_then_told_as_unexpected(
    adapter: Adapter, clock: FrozenClock, flow: Flow
) -> None:
    def fail() -> None:
        raise KeyError("Canary Devi")

    flow.fail = fail
    receive(adapter)
    work_for(adapter, clock, 10)
    assert flow.fhir == 3
    assert queued(adapter, "OnLinkConfirmRequest") == [OnLinkConfirmRequest(error="Unexpected")]


def test_the_log_of_a_fault_tells_class_and_place_but_not_what_it_stumbled_over(
    adapter: Adapter, clock: FrozenClock, flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise KeyError("Canary Devi")

    flow.fail = fail
    receive(adapter)
    work_for(adapter, clock, 10)
    output = "".join(capsys.readouterr())
    assert "KeyError" in output
    assert REQUEST_ID in output
    assert Path(__file__).name in output
    assert "Canary" not in output
    assert "123456" not in output


def test_a_late_message_that_a_state_forbids_is_recorded_and_told_to_nobody(
    adapter: Adapter, clock: FrozenClock, flow: Flow
) -> None:
    def forbid() -> None:
        raise IllegalTransition("ConsentState: REVOKED can't become GRANTED; left as it is.")

    flow.fail = forbid
    receive(adapter)
    work_for(adapter, clock, 10)
    assert (row(adapter).state, row(adapter).error) == (inbox.State.DONE, "IllegalTransition")
    assert queued(adapter, "OnLinkConfirmRequest") == []
    assert queued(adapter, "AuditEvent")[0]["outcomeDesc"] == "IllegalTransition"


def test_a_callback_for_a_facility_not_served_is_refused_and_alerted(
    adapter: Adapter, flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(adapter, hip_id="IN0000000000")
    run_until_idle(adapter, ["inbox"])
    assert flow.fhir == 0
    assert row(adapter).error == "UnknownFacility"
    assert queued(adapter, "OnLinkConfirmRequest") == [
        OnLinkConfirmRequest(error="UnknownFacility")
    ]
    assert "ALERT" in "".join(capsys.readouterr())


def test_a_message_that_wants_no_reply_is_buried_where_it_cannot_be_handled(
    adapter: Adapter, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> flows.Commit:
        raise ValueError

    handler = flows.Handler(fail, None, patience=timedelta(seconds=8))
    monkeypatch.setitem(flows.HANDLERS, OnCareContextNotify, handler)
    body = {"acknowledgement": {"status": "OK"}, "response": {"requestId": REQUEST_ID}}
    receive(adapter, OnCareContextNotify, body)
    work_for(adapter, clock, 10)
    assert (row(adapter).state, row(adapter).error) == (inbox.State.BURIED, "Unexpected")
    assert row(adapter).body is not None


def test_a_body_sealed_under_a_lost_key_is_buried_and_stops_nothing_else(
    adapter: Adapter, flow: Flow
) -> None:
    receive(adapter)
    with adapter.db.transaction() as tx:
        tx.execute(sa.update(tables.inbox).values(body=b"sealed under a lost key"))
    assert run_until_idle(adapter, ["inbox"]) == 1
    assert (row(adapter).state, row(adapter).error) == (inbox.State.BURIED, "SealBroken")
