"""Workers beside the web process, over a real Redis and a real PostgreSQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import redis

from adapter import celery_app
from adapter.crypto.sealing import generate_seal_key
from adapter.runtime import Adapter, system_clock
from adapter.stores import inbox
from tests.rig import HIP_ID, NOWHERE, adapter_over
from tests.servers import free_port
from tests.unit.upstream.fake_gateway import FakeGateway, fake_gateway

pytestmark = [pytest.mark.redis, pytest.mark.postgres]

CANARY = "canary-7f3a"
ON_CONFIRM = "/api/hiecm/user-initiated-linking/v3/link/care-context/on-confirm"

WORKER = """
from adapter.celery_app import run_worker
from adapter.config import load_config
run_worker(load_config())
"""
# Without the threads that look each second: only a task can make this one work.
TASKS_ONLY = """
from adapter import runtime
from adapter.celery_app import consume
from adapter.config import load_config
consume(runtime.build(load_config()))
"""


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway() as running:
        yield running


@pytest.fixture
def settings(gateway: FakeGateway, postgres_url: str) -> dict[str, str]:
    return {
        "abdm_client_id": "SBX_000001",
        "abdm_client_secret": "secret-of-a-test",
        "abdm_facilities": HIP_ID,
        "abdm_url": gateway.url,
        "database_url": postgres_url,
        "fhir_base_url": f"{NOWHERE}/fhir",
        "seal_keys": generate_seal_key(),
    }


@pytest.fixture
def adapter(settings: dict[str, str], redis_url: str) -> Iterator[Adapter]:
    redis.Redis.from_url(redis_url).flushdb()
    made = adapter_over(clock=system_clock, **settings | {"redis_url": redis_url})
    yield made
    made.db.close()


@contextmanager
def worker(adapter: Adapter, settings: dict[str, str], code: str, log: Path) -> Iterator[None]:
    """A worker process with these settings in its environment; ends by SIGTERM."""
    environment = {name.upper(): value for name, value in settings.items()}
    environment |= {
        "REDIS_URL": adapter.config.redis_url.get_secret_value(),
        "PATH": os.environ["PATH"],
    }
    with (
        log.open("w") as out,
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=out, stderr=out, cwd=Path.cwd()
        ) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def receive(adapter: Adapter) -> str:
    """Store a callback as the web process does; its reply needs no FHIR server."""
    request_id = str(uuid4())
    body = {"confirmation": {"linkRefNumber": CANARY, "token": "123456"}}
    with adapter.db.transaction() as tx:
        inbox.store(
            tx,
            adapter,
            message="LinkConfirm",
            dialect="v3",
            request_id=request_id,
            hip_id=HIP_ID,
            hiu_id=None,
            sent_at=adapter.clock(),
            body=orjson.dumps(body),
            patience=timedelta(seconds=60),
        )
    return request_id


def reply_to(gateway: FakeGateway, request_id: str, seconds: float) -> Any:
    """The on-confirm that answers this request, waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for visit in gateway.visits(ON_CONFIRM):
            body = json.loads(visit.body)
            if body["response"]["requestId"] == request_id:
                return body
        time.sleep(0.05)
    return None


def test_a_wake_up_makes_a_worker_process_do_the_work(
    adapter: Adapter, settings: dict[str, str], gateway: FakeGateway, tmp_path: Path
) -> None:
    waker = celery_app.Waker(adapter)
    with worker(adapter, settings, TASKS_ONLY, tmp_path / "log"):
        request_id = receive(adapter)
        waker.wake()
        reply = reply_to(gateway, request_id, 30)
    assert reply is not None, (tmp_path / "log").read_text()
    assert reply["error"]["code"] == "ABDM-1056"
    assert CANARY not in (tmp_path / "log").read_text()


def test_a_worker_process_finds_the_work_by_itself_when_the_wake_up_was_lost(
    adapter: Adapter, settings: dict[str, str], gateway: FakeGateway, tmp_path: Path
) -> None:
    request_id = receive(adapter)
    with worker(adapter, settings, WORKER, tmp_path / "log"):
        reply = reply_to(gateway, request_id, 30)
    assert reply is not None, (tmp_path / "log").read_text()


def test_what_goes_through_redis_names_a_task_and_nothing_else(
    adapter: Adapter, redis_url: str
) -> None:
    request_id = receive(adapter)
    celery_app.Waker(adapter).wake()
    client = redis.Redis.from_url(redis_url)
    (raw,) = client.lrange(celery_app.QUEUE, 0, -1)
    message = json.loads(raw)
    assert message["headers"]["task"] == celery_app.RUN_DUE
    assert message["headers"]["argsrepr"] == "()"
    everything = b"".join(client.dump(key) or b"" for key in client.scan_iter("*")) + raw
    assert CANARY.encode() not in everything
    assert request_id.encode() not in everything


def test_without_redis_the_web_process_does_the_work_itself_and_at_once(
    settings: dict[str, str], gateway: FakeGateway
) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    adapter = adapter_over(clock=system_clock, **settings | {"redis_url": nobody})
    waker = celery_app.Waker(adapter)
    waker.start()
    request_id = receive(adapter)
    started = time.monotonic()
    waker.wake()
    took = time.monotonic() - started
    try:
        assert reply_to(gateway, request_id, 20) is not None
    finally:
        waker.stop()
        adapter.db.close()
    assert took < 1


def test_a_redis_that_does_not_answer_holds_up_no_callback(settings: dict[str, str]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        adapter = adapter_over(clock=system_clock, **settings | {"redis_url": url})
        waker = celery_app.Waker(adapter)
        times = []
        for _ in range(3):
            started = time.monotonic()
            waker.wake()
            times.append(time.monotonic() - started)
        waker.stop()
        adapter.db.close()
    assert times[0] < 1.5
    assert max(times[1:]) < 0.1
