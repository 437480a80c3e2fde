"""The threads that work in the background."""

import threading
import time
from pathlib import Path

import pytest

from adapter import work
from adapter.runtime import Adapter, system_clock
from tests.rig import adapter_over, sqlite_url


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    return adapter_over(sqlite_url(tmp_path), system_clock)


def test_a_lane_lives_on_after_a_fault(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    alive = threading.Event()

    def step(_adapter: Adapter) -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the database is away")
        alive.set()
        return False

    monkeypatch.setattr(work, "STEPS", {"inbox": step})
    worker = work.EmbeddedWorker(adapter, {"inbox": 1})
    worker.start()
    assert alive.wait(60)
    worker.stop()


def test_a_slow_lane_does_not_delay_another(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, done = threading.Event(), threading.Event()

    def slow(_adapter: Adapter) -> bool:
        release.wait(60)
        return False

    def quick(_adapter: Adapter) -> bool:
        done.set()
        return False

    monkeypatch.setattr(work, "STEPS", {"transfers": slow, "inbox": quick})
    worker = work.EmbeddedWorker(adapter, {"transfers": 1, "inbox": 1})
    worker.start()
    assert done.wait(30)
    release.set()
    worker.stop()


def test_waking_makes_a_waiting_lane_look_at_once(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []

    def step(_adapter: Adapter) -> bool:
        looked.append(time.monotonic())
        return False

    monkeypatch.setattr(work, "STEPS", {"inbox": step})
    monkeypatch.setattr(work, "POLL_SECONDS", 60.0)
    worker = work.EmbeddedWorker(adapter, {"inbox": 1})
    worker.start()
    until = time.monotonic() + 50
    while not looked and time.monotonic() < until:
        time.sleep(0.01)
    woken = time.monotonic()
    worker.wake()
    while len(looked) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    worker.stop()
    assert looked[1] - woken < 30


def test_nothing_due_is_nothing_done(adapter: Adapter) -> None:
    assert work.run_due(adapter) == 1, "once at the start: links that wait are looked for"
    assert work.run_due(adapter) == 0
    work.sweep(adapter)


def test_each_ring_wakes_one_thread_so_that_slow_rows_are_worked_on_side_by_side(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["first", "second"]
    at_work = threading.Barrier(3)
    looking = threading.Semaphore(0)

    def step(_adapter: Adapter) -> bool:
        looking.release()
        if not due.is_set() or not rows:
            return False
        rows.pop()
        at_work.wait(50)
        return True

    due = threading.Event()
    monkeypatch.setattr(work, "STEPS", {"transfers": step})
    monkeypatch.setattr(work, "POLL_SECONDS", 60.0)
    worker = work.EmbeddedWorker(adapter, {"transfers": 2})
    worker.start()
    assert looking.acquire(timeout=50)
    assert looking.acquire(timeout=50)
    due.set()
    worker.wake()
    worker.wake()
    at_work.wait(50)
    worker.stop()
    assert not rows
