"""Callbacks answered per second and their 99th percentile, against a bare view with one insert.

Both servers run under gunicorn with the same arguments (the adapter's own, read from its process)
and take turns. A callback is signed, decoded, sealed and committed before it is answered, and the
embedded worker is at work on the earlier ones meanwhile: each is a consent notice, which it
acknowledges to the gateway. Before the other side's turn the worker gets to finish.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil

from conformance.stack import Child, free_port, wait_until_ready
from tests.bench import load
from tests.bench.adapter_process import AdapterProcess, adapter_process
from tests.bench.harness import Row
from tests.bench.outside import Outside, outside
from tests.bench.visits import Tell

AIM = 1.5
ROUNDS = 7
CALLBACKS = 600
CONNECTIONS = 8
HIP_ID = "IN2710000123"
NOTIFY = "/api/v3/consent/request/hip/notify"
FLOOR = "bare view"
#: The worker acknowledges each callback to the gateway; more than enough for a round's.
DRAINED_IN_S = 180


def run(tell: Tell) -> list[Row]:
    """The rows of this bench."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-callbacks-") as name,
        outside() as world,
        adapter_process(Path(name), abdm_url=world.url, abdm_facilities=HIP_ID) as adapter,
        _bare(Path(name), adapter) as bare_port,
    ):
        ours: list[load.Answered] = []
        floor: list[load.Answered] = []
        for number in range(ROUNDS + 1):
            tell(f"round {number} of {ROUNDS}")
            sides = [
                (ours, lambda: _adapter_round(world, adapter)),
                (floor, lambda: _bare_round(world, bare_port)),
            ]
            for answered, work in sides if number % 2 else reversed(sides):
                answered.append(work())
        # The first round warms both up.
        return _rows(ours[1:], floor[1:])


def _rows(ours: list[load.Answered], floor: list[load.Answered]) -> list[Row]:
    slower = [mine.seconds / bare.seconds for mine, bare in zip(ours, floor, strict=True)]
    mine, bare = ([CALLBACKS / r.seconds for r in rounds] for rounds in (ours, floor))
    p99_mine, p99_bare = (_p99(rounds) for rounds in (ours, floor))
    return [
        Row(
            f"callbacks answered, {CONNECTIONS} connections",
            FLOOR,
            ours=statistics.median(mine),
            floor=statistics.median(bare),
            ratio=statistics.median(slower),
            aim=AIM,
            unit="a second",
        ),
        Row(
            "callbacks, 99th percentile",
            FLOOR,
            ours=p99_mine * 1000,
            floor=p99_bare * 1000,
            ratio=p99_mine / p99_bare,
            aim=AIM,
        ),
    ]


def _p99(rounds: list[load.Answered]) -> float:
    """Over the requests of all rounds, since one round has only a few beyond it."""
    return statistics.quantiles([each for r in rounds for each in r.latencies], n=100)[98]


def _adapter_round(world: Outside, adapter: AdapterProcess) -> load.Answered:
    answered = load.send(adapter.port, _callbacks(world, NOTIFY), CONNECTIONS)
    ends = time.monotonic() + DRAINED_IN_S
    while adapter.waiting():
        if time.monotonic() > ends:
            raise RuntimeError("The worker did not finish; see the adapter's log.")
        time.sleep(0.2)
    return answered


def _bare_round(world: Outside, port: int) -> load.Answered:
    return load.send(port, _callbacks(world, "/callback"), CONNECTIONS)


def _callbacks(world: Outside, path: str) -> list[bytes]:
    """Notices of a round, each under its own REQUEST-ID; a gateway's token serves many calls."""
    tokens = [world.realm.callback(3600) for _ in range(CONNECTIONS)]
    return [
        load.post(
            path,
            world.callback_headers(HIP_ID, tokens[number % CONNECTIONS]),
            json.dumps({"notification": {"consentId": str(uuid4()), "status": "DENIED"}}).encode(),
        )
        for number in range(CALLBACKS)
    ]


@contextmanager
def _bare(folder: Path, adapter: AdapterProcess) -> Iterator[int]:
    """The bare view under gunicorn with the adapter's arguments."""
    port = free_port()
    arguments = psutil.Process(adapter.child.process.pid).cmdline()
    arguments[0] = sys.executable
    arguments[arguments.index("--bind") + 1] = f"127.0.0.1:{port}"
    arguments[-1] = "tests.bench.bare_view:create()"
    log_file = folder / "bare.log"
    with log_file.open("ab") as log:
        process = psutil.Popen(
            arguments,
            env={**psutil.Process().environ(), "BARE_DATABASE": str(folder / "bare.db")},
            stdout=log,
            stderr=log,
        )
    child = Child("bare view", process, log_file)
    try:
        wait_until_ready(child, f"http://127.0.0.1:{port}/healthz")
        yield port
    finally:
        child.stop()
