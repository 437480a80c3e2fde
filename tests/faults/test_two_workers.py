"""Several workers on one database: every row is done once, by one of them."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from werkzeug.wrappers import Request, Response

from adapter import flows, receiving
from adapter.protocol.messages import Envelope, HipConsentOnNotifyRequest, LinkConfirm
from adapter.runtime import Adapter, system_clock
from adapter.stores import db as tables
from adapter.stores import inbox, outbox
from adapter.stores.db import Database, Tx
from adapter.work import EmbeddedWorker
from tests.rig import HIP_ID, adapter_over
from tests.unit.upstream.fake_gateway import FakeGateway, fake_gateway

ROWS = 40
CONFIRM = {"confirmation": {"linkRefNumber": "ref-1", "token": "123456"}}


def receive(adapter: Adapter, number: int) -> None:
    with adapter.db.transaction() as tx:
        inbox.store(
            tx,
            adapter,
            message="LinkConfirm",
            dialect="v3",
            request_id=f"0f4b6a3c-9f3e-4a43-8c2f-{number:012d}",
            hip_id=HIP_ID,
            hiu_id=None,
            sent_at=adapter.clock(),
            body=orjson.dumps(CONFIRM),
            patience=timedelta(seconds=60),
        )


def test_four_threads_handle_each_callback_exactly_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = adapter_over(database_url)
    handled: list[str] = []

    def handle(_adapter: Adapter, envelope: Envelope, _message: LinkConfirm) -> flows.Commit:
        time.sleep(0.002)

        def commit(_tx: Tx) -> None:
            handled.append(envelope.request_id)

        return commit

    handler = flows.Handler(handle, None, patience=timedelta(seconds=60))
    monkeypatch.setitem(flows.HANDLERS, LinkConfirm, handler)
    for number in range(ROWS):
        receive(adapter, number)

    def drain(_worker: int) -> None:
        while receiving.step(adapter):
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(drain, range(4)))
    assert len(handled) == len(set(handled)) == ROWS
    with adapter.db.reading() as tx:
        assert set(tx.scalars(sa.select(tables.inbox.c.attempts))) == {1}
    adapter.db.close()


CLAIMER = """
import sys, time
from datetime import UTC, datetime
from adapter.stores import inbox
from adapter.stores.db import Database
db = Database(sys.argv[1])
while True:
    row = inbox.claim(db, datetime.now(UTC))
    if row is None:
        break
    print(row.id, flush=True)
    if len(sys.argv) > 2:
        time.sleep(600)
    with db.transaction() as tx:
        inbox.finish(tx, row, datetime.now(UTC))
"""


@pytest.mark.postgres
def test_two_processes_never_take_one_row(postgres_url: str) -> None:
    adapter = adapter_over(postgres_url)
    for number in range(ROWS):
        receive(adapter, number)
    command = [sys.executable, "-c", CLAIMER, postgres_url]
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    taken = [line for worker in workers for line in worker.communicate(timeout=60)[0].split()]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert len(taken) == len(set(taken)) == ROWS
    adapter.db.close()


def test_a_row_returns_when_the_process_that_took_it_is_killed(database_url: str) -> None:
    adapter = adapter_over(database_url)
    receive(adapter, 1)
    command = [sys.executable, "-c", CLAIMER, database_url, "hang"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as worker:
        assert worker.stdout is not None
        taken = worker.stdout.readline().strip()
        worker.kill()
    db = Database(database_url)
    now = datetime.now(UTC)
    assert inbox.claim(db, now + timedelta(seconds=30)) is None
    row = inbox.claim(db, now + timedelta(seconds=61))
    assert row is not None
    assert row.id == taken
    db.close()
    adapter.db.close()


def test_a_slow_conversation_does_not_delay_another(database_url: str) -> None:
    release = threading.Event()
    with fake_gateway() as gateway:

        def answer(request: Request) -> Response:
            if b"slow" in request.get_data():
                release.wait(120)
            return Response(status=202)

        gateway.answer = answer
        adapter = adapter_over(database_url, system_clock, abdm_url=gateway.url)
        worker = EmbeddedWorker(adapter, {"outbox": 2})
        with adapter.db.transaction() as tx:
            for name, conversation in (("slow", "a"), ("next", "a"), ("other", "b")):
                outbox.queue(
                    tx,
                    adapter,
                    Envelope(
                        "v3", hip_id=HIP_ID, response_to="8a7b2b3e-6a0e-4d5e-9b7e-0b3f6c0a7a11"
                    ),
                    HipConsentOnNotifyRequest(name),
                    deadline=timedelta(hours=1),
                    conversation=conversation,
                )
        worker.start()
        arrived = _wait_for(gateway, 2)
        release.set()
        everything = _wait_for(gateway, 3)
        worker.stop()
        adapter.db.close()
    assert sorted(arrived) == ["other", "slow"]
    assert everything[2] == "next"


def _wait_for(gateway: FakeGateway, number: int) -> list[str]:
    """The messages that arrived, in order, once there are `number` of them or a minute is over."""
    until = time.monotonic() + 60
    while len(gateway.visits()) < number and time.monotonic() < until:
        time.sleep(0.02)
    names = ("slow", "next", "other")
    return [
        next(name for name in names if name.encode() in visit.body) for visit in gateway.visits()
    ]
