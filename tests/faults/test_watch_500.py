"""Linking that cannot miss: 500 visits while everything around breaks at random.

A fifth of the FHIR server's hooks is lost; the adapter, its worker, Redis and the FHIR server are
restarted at random points, and the way to the FHIR server is cut now and then; the simulated ABDM
refuses, delays and duplicates its answers. Once that ends, every visit is linked exactly once
within one sweep and two pacing windows, and no address was asked for a token twice within a window.

The FHIR server is the test's own, so that no other test meets its restart.
"""

import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from adapter import runtime
from adapter.config import Config
from adapter.protocol.errors import FhirUnavailable
from adapter.runtime import Adapter
from conformance import fhir_server, stack
from conformance.fhir_server import FhirServer
from conformance.simulator.config import SimulatorConfig
from conformance.simulator.server import RunningSimulator, start_in_thread
from tests import outages, rig, servers
from tests.flows.harness import Json, Outside, Site, address_of, number_of

pytestmark = [pytest.mark.hapi, pytest.mark.redis, pytest.mark.postgres]

PATIENTS, VISITS_EACH = 100, 5
SWEEP_S, PACING_S = 5, 10
TROUBLE_S = 75.0
#: When the FHIR server is restarted: while the hospital still writes.
RESTART_S = (8.0, 20.0)
#: In which a FHIR server starts where the bounds below hold; a slower machine gets more of them.
HAPI_START_S = 20.0
SEED = 20261125

FAULTS: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
    ("error-shape", "GenerateLinkTokenRequest", 15, {}),
    ("server-error", "GenerateLinkTokenRequest", 5, {}),
    ("server-error", "HipLinkCareContextRequest", 10, {}),
    ("error-shape", "HipLinkCareContextRequest", 10, {}),
    ("delay", "OnGenerateLinkToken", 20, {"seconds": 3.0}),
    ("duplicate", "OnGenerateLinkToken", 30, {}),
    ("delay", "OnHipLinkCareContext", 20, {"seconds": 3.0}),
    ("duplicate", "OnHipLinkCareContext", 30, {}),
)


@dataclass
class Process:
    """A part of the adapter as a process that is ended and started again."""

    name: str
    command: list[str]
    env: dict[str, str]
    folder: Path
    child: stack.Child | None = None

    def start(self) -> None:
        self.child = stack.spawn(self.name, self.command, self.env, self.folder)

    def kill(self) -> None:
        assert self.child is not None
        self.child.process.send_signal(signal.SIGKILL)
        self.child.process.wait()
        self.start()

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop(grace_s=20)


class World:
    """A hospital with everything around it, each part of which can be broken."""

    def __init__(
        self, folder: Path, postgres_url: str, abdm: RunningSimulator, parts: ExitStack
    ) -> None:
        self.chance = random.Random(SEED)
        self.abdm, self._parts = abdm, parts
        self.hfr_id = f"IN{uuid.uuid4().int % 10**10:010d}"
        self._folder = folder
        self.slowness = 1.0
        self._hapi = self._start_hapi()
        parts.callback(lambda: self._hapi.stop())
        target = urlsplit(self._hapi.base_url)
        self.fhir = outages.TcpProxy(target.port or 80)
        parts.callback(self.fhir.close)
        port = servers.free_port()
        self.relay = parts.enter_context(
            outages.hook_relay(f"http://127.0.0.1:{port}", 0.2, self.chance)
        )
        self._redis_port = servers.free_port()
        self._redis = parts.enter_context(ExitStack())
        redis_url = self._redis.enter_context(servers.redis_server(self._redis_port))
        self.env = stack.adapter_env(
            folder=folder,
            port=port,
            simulator_url=abdm.base_url,
            fhir_url=f"http://127.0.0.1:{self.fhir.port}{target.path}",
            fhir_token=self._hapi.token,
            client_secret="secret-of-a-test",
            hims_key="a-key-of-sixteen-letters",
        ) | {
            "ABDM_FACILITIES": self.hfr_id,
            "DATABASE_URL": postgres_url,
            "REDIS_URL": redis_url,
            "WATCH_SWEEP_SECONDS": str(SWEEP_S),
            "WATCH_OVERLAP_SECONDS": "10",
            "WATCH_MAX_AGE_DAYS": "0",
            "WATCH_HOOK_URL": self.relay.url,
            "LINK_TOKEN_PACING_SECONDS": str(PACING_S),
            "LINK_REFUSALS_PER_DAY": "19",
        }
        abdm.client.add_bridge(stack.CLIENT_ID, "secret-of-a-test", f"http://127.0.0.1:{port}")
        abdm.client.add_service(self.hfr_id, "Hospital of a Test", ["HIP"], stack.CLIENT_ID)
        settings = {name.lower(): value for name, value in self.env.items()}
        self.adapter: Adapter = runtime.build(Config(_env_file=None, **settings))
        self.serve = Process("serve", ["adapter", "serve"], self.env, folder)
        self.worker = Process("worker", ["adapter", "worker"], self.env, folder)
        parts.callback(self.adapter.db.close)
        parts.callback(self.serve.stop)
        parts.callback(self.worker.stop)
        self.serve.start()
        assert self.serve.child is not None
        stack.wait_until_ready(self.serve.child, f"http://127.0.0.1:{port}/healthz")
        self.worker.start()
        direct = rig.config(
            "sqlite://",
            fhir_base_url=self._hapi.base_url,
            fhir_token=self._hapi.token,
            public_url="",
        )
        self.site = Site(
            replace(self.adapter, fhir=runtime.build(direct).fhir),
            rig.FrozenClock(),
            Outside(),
            self.hfr_id,
            self.hfr_id,
        )

    def break_redis(self) -> None:
        self._redis.close()
        time.sleep(1)
        self._redis.enter_context(servers.redis_server(self._redis_port))

    def cut_fhir_off(self) -> None:
        self.fhir.down()
        time.sleep(4)
        self.fhir.up()

    def restart_fhir(self) -> None:
        """End the FHIR server and start it again over the same data, at the same address.

        Only the main thread may: the server ends with the thread that started it.
        """
        before = self._hapi
        before.stop(grace_s=60)
        self._hapi = self._start_hapi(port=urlsplit(before.base_url).port, token=before.token)

    def _start_hapi(self, **settings: Any) -> FhirServer:
        """Start the FHIR server, and learn from it how slow this machine is just now."""
        began = time.monotonic()
        log_file = self._folder / "fhir-server.log"
        made = fhir_server.start(self._folder / "fhir", log_file=log_file, guide=None, **settings)
        self.slowness = max(self.slowness, (time.monotonic() - began) / HAPI_START_S)
        return made

    def troubles(self) -> list[tuple[float, Callable[[], None]]]:
        """What breaks when, in seconds from the beginning.

        Processes are killed early only: what a killed one held is free again when its lease of a
        minute has lapsed, whoever else works.
        """
        at = self.chance.uniform
        plan: list[tuple[float, Callable[[], None]]] = [
            (at(5, 9), self.worker.kill),
            (at(10, 14), self.serve.kill),
            (at(25, 35), self.worker.restart),
            (at(40, 50), self.serve.restart),
            *((at(5, 50), self.break_redis) for _ in range(2)),
            *((at(5, 50), self.cut_fhir_off) for _ in range(3)),
        ]
        return sorted(plan, key=lambda each: each[0])

    def linked(self, patient_ids: set[str]) -> Counter[tuple[str, str]]:
        """The states of the links of these patients, by (patient, care context)."""
        with self.adapter.db.reading() as tx:
            rows = tx.execute(
                sa.text("SELECT patient_id, reference FROM care_context_link WHERE state='LINKED'")
            )
            return Counter(
                (row.patient_id, row.reference) for row in rows if row.patient_id in patient_ids
            )

    def states(self) -> str:
        """For the message of a failure: how many links are where, and why."""
        with self.adapter.db.reading() as tx:
            rows = tx.execute(
                sa.text(
                    "SELECT state, error, sentence, count(*) AS n FROM care_context_link"
                    " GROUP BY state, error, sentence"
                )
            )
            return "\n".join(str(tuple(row)) for row in rows)


@pytest.fixture
def world(tmp_path: Path, postgres_url: str) -> Iterator[World]:
    habits = SimulatorConfig(
        callback_delay_min=0.0,
        callback_delay_max=0.05,
        callback_repeat_after=8.0,
        link_token_memory=PACING_S - 1.0,
    )
    with start_in_thread(habits) as abdm, ExitStack() as parts:
        yield World(tmp_path, postgres_url, abdm, parts)


def admit(world: World, patients: list[Json], visits: dict[str, list[Json]]) -> None:
    """The hospital writes while the worst of the trouble lasts, again until it is taken."""
    site = world.site
    write(site, site.organization(), site.practitioner())
    pause = TROUBLE_S / 3 / len(patients)
    for patient in patients:
        write(site, patient, *visits[patient["id"]])
        time.sleep(pause)


def write(site: Site, *resources: Json) -> None:
    ends = time.monotonic() + 240
    while True:
        try:
            return site.load(*resources)
        except FhirUnavailable:
            assert time.monotonic() < ends, "the FHIR server did not come back"
            time.sleep(0.5)


def trouble(began: float, plan: list[tuple[float, Callable[[], None]]]) -> None:
    for at, part in plan:
        time.sleep(max(began + at - time.monotonic(), 0))
        part()


def test_every_visit_is_linked_once_whatever_breaks_meanwhile(world: World) -> None:
    site, abdm = world.site, world.abdm.client
    patients = [site.patient() for _ in range(PATIENTS)]
    visits: dict[str, list[Json]] = {}
    eligible: set[tuple[str, str]] = set()
    for patient in patients:
        abdm.add_patient(
            address_of(patient), number_of(patient), "Asha Verma", "F", 1991, "9000000000"
        )
        own = [site.visit(patient, prescription=False) for _ in range(VISITS_EACH)]
        eligible |= {(patient["id"], f"Encounter-{visit[0]['id']}") for visit in own}
        planned = site.visit(patient, prescription=False, status="planned")
        visits[patient["id"]] = [r for visit in (*own, planned) for r in visit]
    for name, message, times, params in FAULTS:
        abdm.fault(name, message, times, **params)

    plan, restart_at = world.troubles(), world.chance.uniform(*RESTART_S)
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        meanwhile = [
            pool.submit(admit, world, patients, visits),
            pool.submit(trouble, began, plan),
        ]
        time.sleep(restart_at)
        world.restart_fhir()
        for each in meanwhile:
            each.result()
    time.sleep(max(began + TROUBLE_S - time.monotonic(), 0))
    abdm.clear_faults()

    ids = {patient["id"] for patient in patients}
    ended = time.monotonic()
    allowed = (SWEEP_S + 2 * PACING_S) * world.slowness
    while len(world.linked(ids)) < len(eligible):
        assert time.monotonic() - ended <= allowed, world.states()
        time.sleep(0.5)

    assert world.relay.dropped
    assert world.linked(ids) == Counter(eligible)
    for patient in patients:
        found = [link.care_context for link in abdm.links(address_of(patient))]
        assert sorted(found) == sorted(r for p, r in eligible if p == patient["id"])
    calls = [
        each
        for each in abdm.exchanges("HipLinkCareContextRequest", "in")
        if each.status is not None and each.status < 300
    ]
    sent = Counter(
        context["referenceNumber"]
        for call in calls
        for entry in call.body["patient"]
        for context in entry["careContexts"]
    )
    assert sent == Counter(reference for _, reference in eligible)

    asked: dict[str, list[datetime]] = {}
    for call in abdm.exchanges("GenerateLinkTokenRequest", "in"):
        stamp = next(v for k, v in call.headers.items() if k.upper() == "TIMESTAMP")
        asked.setdefault(call.body["abhaAddress"], []).append(datetime.fromisoformat(stamp))
    gaps = [
        (later - earlier).total_seconds()
        for times in asked.values()
        for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)
    ]
    assert len(asked) == PATIENTS
    # The stamp is set a moment after the decision to send.
    assert all(gap >= PACING_S - 0.5 for gap in gaps), sorted(gaps)[:5]
