"""Background work: `run_due` does what is due, `sweep` tidies, `EmbeddedWorker` calls both.

Lanes, each drained row by row: `inbox` (callbacks) and `waited-for` (of these, those whose reply
somebody waits for), `outbox` (what leaves) and `messages` (of this, what goes to ABDM and to
patients), `transfers` (pages out), `incoming` (pages in), `endings` (consents given to us whose
time is over), `profiles` (patients to be found for profiles that were shared), `watch` (searches of
the record watch) and `looks` (looks at what it found). Every row is claimed under a lease, so any
number of threads and processes may call `run_due` at any time, and a killed one loses nothing.
Nothing here decides what a row means.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import sqlalchemy as sa
import structlog

from adapter import receiving, sending
from adapter.faults import failure
from adapter.flows import (
    abha_linking,
    archive,
    hip_transfer,
    hiu_overdue,
    hiu_receive,
    record_watch,
)
from adapter.runtime import Adapter
from adapter.stores import (
    abha_profiles,
    abha_transactions,
    claims,
    endings,
    link_sessions,
    outbox_delivery,
    queue_tokens,
    retention,
)
from adapter.stores.db import hiu_artefact, incoming, transfer, watch
from adapter.stores.watch import LINKS, QUEUE

log = structlog.get_logger(__name__)

#: Threads per lane of one process. A slow push must not delay a discovery (so the lanes are apart),
#: nor one slow answer of the gateway every other message (so a lane has several).
THREADS: Mapping[str, int] = MappingProxyType(
    {
        "inbox": 2,
        "waited-for": 1,
        "outbox": 3,
        "messages": 1,
        "transfers": 2,
        "incoming": 2,
        "endings": 2,
        "profiles": 1,
        "watch": 1,
        "looks": 1,
    }
)
POLL_SECONDS = 1.0
SWEEP_SECONDS = 60.0
#: Everything that is to be linked waits behind one row: a killed worker must not hold it long.
WATCH_LEASE = timedelta(seconds=10)


def _lane(
    table: sa.Table,
    open_: sa.ColumnElement[bool],
    advance: Callable[[Adapter, str], None],
    lease: timedelta = claims.LEASE,
) -> Callable[[Adapter], bool]:
    """A step that advances one due row of `table` under a lease; False if none is due."""

    def step(adapter: Adapter) -> bool:
        row = claims.claim(
            adapter.db, table, adapter.clock(), open_=open_, count=False, lease=lease
        )
        if row is None:
            return False
        try:
            with claims.kept(adapter.db, table, row.id, row.lease_id, adapter.clock, lease):
                advance(adapter, row.id)
        except Exception as error:  # noqa: BLE001 - the lease stays: again when it has lapsed
            log.error(f"{table.name} failed in an unforeseen way", id=row.id, **failure(error))
            return True
        with adapter.db.transaction() as tx:
            claims.release(tx, table, row.id, row.lease_id)
        adapter.wake()
        return True

    return step


# Apart, since hooks that never pause make one search follow the other.
_searches = _lane(watch, watch.c.id != QUEUE, record_watch.advance, WATCH_LEASE)
_looks = _lane(watch, watch.c.id == QUEUE, record_watch.advance, WATCH_LEASE)
_links = _lane(watch, watch.c.id == LINKS, record_watch.advance, WATCH_LEASE)


def _search(adapter: Adapter) -> bool:
    """A chore of the record watch; without it, links that somebody asked for go on all the same."""
    return (_searches if adapter.config.watch_records else _links)(adapter)


def _look(adapter: Adapter) -> bool:
    return adapter.config.watch_records and _looks(adapter)


STEPS: Mapping[str, Callable[[Adapter], bool]] = MappingProxyType(
    {
        "inbox": receiving.step,
        "waited-for": receiving.waited_for,
        "outbox": sending.step,
        "messages": sending.not_to_fhir,
        "transfers": _lane(transfer, transfer.c.done_at.is_(None), hip_transfer.advance_transfer),
        "incoming": _lane(incoming, incoming.c.done_at.is_(None), hiu_receive.advance_incoming),
        "profiles": abha_linking.step,
        "watch": _search,
        "looks": _look,
        "endings": _lane(hiu_artefact, endings.OPEN, archive.advance_ending),
    }
)
LANES = tuple(STEPS)


def run_due(adapter: Adapter, lanes: Sequence[str] = LANES) -> int:
    """Do what is due in these lanes until nothing is; returns how many rows were worked on.

    The lanes take turns, row by row, so that none waits for another to be drained.
    """
    done = 0
    while True:
        worked = sum(STEPS[lane](adapter) for lane in lanes)
        if not worked:
            return done
        done += worked


def sweep(adapter: Adapter) -> None:
    """Repeat or give up what was not answered, ask again for what is overdue, lapse link sessions,
    blank and forget old rows."""
    now = adapter.clock()
    with adapter.db.reading() as tx:
        overdue = outbox_delivery.overdue(tx, now)
        stuck = {table.name: claims.stuck(tx, table, now) for table in claims.CLAIMED}
    for row in overdue:
        with adapter.db.transaction() as tx:
            if outbox_delivery.unanswered(tx, row, now):
                usual = row.message in outbox_delivery.MAY_STAY_UNANSWERED
                say = log.info if usual else log.error
                say("outgoing message was not answered", **sending.about(row))
                sending.after_send(adapter, tx, row, "Unanswered")
    with adapter.db.transaction() as tx:
        link_sessions.lapse_sessions(tx, now)
        abha_transactions.lapse(tx, now)
        queue_tokens.expire(tx, now)
        abha_profiles.forget(tx, now)
        retention.purge(tx, now)
    hiu_overdue.chase(adapter)
    if any(stuck.values()):
        log.warning("rows whose worker died are taken up again", **stuck)
    adapter.wake()


class EmbeddedWorker:
    """Threads that drain the lanes, woken by `wake()` and each second, and sweep each minute.

    Its own `Adapter` wakes it, so that what one lane queues another takes up at once.
    """

    def __init__(self, adapter: Adapter, threads: Mapping[str, int] = THREADS) -> None:
        self._adapter = replace(adapter, wake=self.wake)
        self._stop = threading.Event()
        self._numbers = threads
        # A ring wakes one thread of the lane and not all; with every thread at work, rings beyond
        # their number add nothing. (All of them looking after each row cost more than the work.)
        self._bells: Mapping[str, queue.Queue[None]] = {
            lane: queue.Queue(number) for lane, number in threads.items()
        }
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def start(self) -> None:
        """Start the threads; does nothing if they run already."""
        with self._starting:
            if self._threads:
                return
            for lane, bell in self._bells.items():
                for number in range(self._numbers[lane]):
                    self._thread(f"{lane}-{number}", self._drain, lane, bell)
            self._thread("sweep", self._sweep)

    def wake(self) -> None:
        """Something may be due. Returns at once."""
        for bell in self._bells.values():
            with suppress(queue.Full):
                bell.put_nowait(None)

    def stop(self, timeout: float = 10.0) -> None:
        """Let each thread finish its row; what a thread can't finish in time returns by lease."""
        self._stop.set()
        for _ in range(max(self._numbers.values())):
            self.wake()
        for thread in self._threads:
            thread.join(timeout)

    def _thread(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _drain(self, lane: str, bell: queue.Queue[None]) -> None:
        step = STEPS[lane]
        while not self._stop.is_set():
            try:
                self._adapter.turns.wait()
                while not self._stop.is_set() and step(self._adapter):
                    self._adapter.turns.wait()
            except Exception as error:  # noqa: BLE001 - the database is away: the thread must live
                log.error("lane failed", lane=lane, **failure(error))
                self._stop.wait(POLL_SECONDS)
            with suppress(queue.Empty):
                bell.get(timeout=POLL_SECONDS)

    def _sweep(self) -> None:
        # What is unanswered is found by the sweep, so it comes as often as answers fall due.
        while not self._stop.wait(min(SWEEP_SECONDS, self._adapter.config.answer_seconds)):
            try:
                sweep(self._adapter)
            except Exception as error:  # noqa: BLE001 - the database is away: the thread must live
                log.error("sweep failed", **failure(error))
