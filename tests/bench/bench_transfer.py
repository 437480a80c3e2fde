"""A transfer of 200 care contexts against the bare work that nobody can avoid.

Both sides read the same visits from the same HAPI, in turns: the adapter through its flows (request
judged, pages prepared and kept, pushed, reported), the floor as a plain script would: the same
searches of 25 visits, their JSON parsed, and per page one consent read, one POST of the same bytes
over a kept-alive connection, one committed row under the same SQLite settings.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import orjson
import urllib3

import mappings
from adapter import flows, logs
from adapter.crypto.fidelius import ReceiverKey
from adapter.flows import hip_transfer
from adapter.protocol import messages as m
from adapter.rules.states import CareContextLinkState, TransferState
from adapter.runtime import Adapter, system_clock
from adapter.stores import fhir_visits, links, transfers
from adapter.stores.links import ContextLink
from tests import rig
from tests.bench.harness import Row, compare
from tests.bench.outside import Outside, outside
from tests.bench.visits import Fhir, Loaded, Tell, loaded

CARE_CONTEXTS = 200
AIM = 1.5
ROUNDS = 5
HI_TYPES = ("OPConsultation", "Prescription")
PERIOD = m.DateRange(datetime(2024, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
FLOOR = "bare work"


def run(fhir: Fhir, tell: Tell) -> list[Row]:
    """The rows of this bench."""
    logs.configure("ERROR")
    with (
        tempfile.TemporaryDirectory(prefix="bench-transfer-") as folder,
        outside() as world,
        loaded(fhir, CARE_CONTEXTS, tell) as records,
    ):
        ours = _Ours(fhir, world, records, Path(folder))
        floor = _Floor(fhir, world, records, Path(folder), ours.consent_id)
        try:
            return _compare(ours, floor, world, tell)
        finally:
            floor.close()
            ours.adapter.db.close()


def _compare(ours: _Ours, floor: _Floor, world: Outside, tell: Tell) -> list[Row]:
    tell("first transfer")
    with _pushed_bodies(ours.adapter) as bodies:
        ours.transfer()
    ours.check(world.last_page())
    floor.bodies = bodies
    before = world.counts()["/push"]

    def transfer() -> None:
        tell(f"transfer {len(ours.phases['all']) + 1}")
        ours.transfer()

    row = compare(
        f"transfer of {CARE_CONTEXTS} care contexts, {len(bodies)} pages",
        transfer,
        floor.work,
        against=FLOOR,
        aim=AIM,
        rounds=ROUNDS,
    )
    rounds = len(ours.phases["all"]) - 1
    pushed = world.counts()["/push"] - before
    if pushed != len(bodies) * (rounds + len(floor.phases["all"])):
        raise RuntimeError(f"{pushed} pages arrived: the two sides did not do the same work.")
    return [
        _in_seconds(row),
        _phase("  of which: judging, reading, building, encrypting", "prepare", ours, floor),
        _phase("  of which: pushing", "push", ours, floor),
        *_mapping_rows(ours, tell),
    ]


def _phase(name: str, phase: str, ours: _Ours, floor: _Floor) -> Row:
    mine, bare = (statistics.median(side.phases[phase][1:]) for side in (ours, floor))
    return Row(name, FLOOR, ours=mine, floor=bare, ratio=mine / bare, unit="s")


def _in_seconds(row: Row) -> Row:
    return replace(row, ours=(row.ours or 0) / 1000, floor=(row.floor or 0) / 1000, unit="s")


# --- the adapter's side -----------------------------------------------------------------------


class _Ours:
    """An adapter with the visits linked and a consent for them stored."""

    def __init__(self, fhir: Fhir, world: Outside, records: Loaded, folder: Path) -> None:
        self.phases: dict[str, list[float]] = defaultdict(list)
        self.consent_id = str(uuid4())
        self._hip_id = records.hfr_id
        self._key = ReceiverKey.generate()
        self._push_url = world.push_url
        self.adapter = rig.adapter_over(
            rig.sqlite_url(folder),
            system_clock,
            durable=True,
            fhir_base_url=fhir.base_url,
            fhir_token=fhir.token,
            abdm_url=world.url,
            abdm_facilities=records.hfr_id,
            allow_local_push=True,
        )
        with self.adapter.db.transaction() as tx:
            links.put_contexts(tx, list(_links(records)))
        self._handle(_grant(records, self.consent_id))

    def _handle(self, message: Any) -> None:
        envelope = m.Envelope("v3", str(uuid4()), system_clock(), self._hip_id)
        commit = flows.HANDLERS[type(message)].handle(self.adapter, envelope, message)
        with self.adapter.db.transaction() as tx:
            commit(tx)

    def transfer(self) -> None:
        """One whole transfer, from the request to the queued report; notes how long each part took.

        The gateway's taking the acknowledgement is played by calling what follows it.
        """
        began = time.perf_counter()
        transaction_id = str(uuid4())
        expiry = system_clock() + timedelta(days=1)
        key = m.KeyMaterial(self._key.public_key_raw, self._key.nonce, expiry)
        self._handle(
            m.HipHealthInformationRequest(
                transaction_id, self.consent_id, PERIOD, self._push_url, key
            )
        )
        with self.adapter.db.transaction() as tx:
            row = transfers.by_transaction(tx, self.adapter, transaction_id)
            assert row is not None
            after = flows.AFTER_SEND[m.HipHealthInformationOnRequest]
            after(self.adapter, tx, row.id, flows.SENT)
        pushing: list[float] = []
        push = hip_transfer.push

        def noted(*arguments: Any) -> bool:
            pushing.append(time.perf_counter())
            return push(*arguments)

        with mock.patch.object(hip_transfer, "push", noted):
            hip_transfer.advance_transfer(self.adapter, row.id)
        ended = time.perf_counter()
        with self.adapter.db.reading() as tx:
            row = transfers.by_id(tx, self.adapter, row.id)
        if row is None or row.state is not TransferState.TRANSFERRED or row.error:
            raise RuntimeError(f"The transfer ended otherwise: {row and (row.state, row.sentence)}")
        for phase, seconds in (
            ("all", ended - began),
            ("prepare", pushing[0] - began),
            ("push", ended - pushing[0]),
        ):
            self.phases[phase].append(seconds)

    def check(self, page: dict[str, Any]) -> None:
        """The receiver can read what it got."""
        material = page["keyMaterial"]
        plaintext = self._key.decrypt(
            material["dhPublicKey"]["keyValue"], material["nonce"], page["entries"][0]["content"]
        )
        if orjson.loads(plaintext)["resourceType"] != "Bundle":
            raise RuntimeError("The receiver could not read the page it got.")


def _links(records: Loaded) -> Iterator[ContextLink]:
    for reference in records.references:
        for hi_type in HI_TYPES:
            yield ContextLink(
                id=links.new_id(),
                hip_id=records.hfr_id,
                patient_id=records.patient_id,
                patient_reference=records.patient_id,
                reference=reference,
                hi_type=hi_type,
                display="OPD visit",
                abha_address=records.abha_address,
                state=CareContextLinkState.LINKED,
                requester="bench",
                created_at=system_clock(),
            )


def _grant(records: Loaded, consent_id: str) -> m.HipConsentNotify:
    artefact = m.ConsentArtefact(
        consent_id=consent_id,
        patient_id=records.abha_address,
        care_contexts=tuple(m.CareContextRef(records.patient_id, r) for r in records.references),
        purpose_code="CAREMGT",
        purpose_text="Care management",
        hip_id=records.hfr_id,
        hiu_id="IN2910009001",
        hiu_name="Nilgiri Clinic",
        requester_name="Dr Rao",
        consent_manager_id="sbx",
        hi_types=HI_TYPES,
        permission=m.Permission("VIEW", PERIOD, system_clock() + timedelta(days=1)),
        created_at=system_clock(),
        verbatim="{}",
    )
    return m.HipConsentNotify(consent_id, "GRANTED", artefact, "c2lnbmF0dXJl")


@contextmanager
def _pushed_bodies(adapter: Adapter) -> Iterator[list[bytes]]:
    """The bytes of every page that is pushed meanwhile."""
    bodies: list[bytes] = []
    push = adapter.push.push

    def kept(url: str, body: Any, *arguments: Any, **named: Any) -> None:
        bodies.append(b"".join(body))
        push(url, body, *arguments, **named)

    with mock.patch.object(adapter.push, "push", kept):
        yield bodies


# --- the floor --------------------------------------------------------------------------------


class _Floor:
    """The same reads, sends and commits, and nothing else."""

    def __init__(
        self, fhir: Fhir, world: Outside, records: Loaded, folder: Path, consent_id: str
    ) -> None:
        self.phases: dict[str, list[float]] = defaultdict(list)
        self.bodies: Sequence[bytes] = ()
        self._encounter_ids = records.encounter_ids
        self._base = urlsplit(fhir.base_url).path
        self._fhir = _pool(fhir.base_url)
        # HAPI answers large resources twice as fast compressed as plain.
        self._headers = {
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {fhir.token}",
            "Cache-Control": "no-cache",
        }
        self._receiver = _pool(world.url)
        self._consent = f"{self._base}/Consent/hip-{consent_id}"
        self._sql = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._sql.execute("PRAGMA journal_mode=WAL")
        self._sql.execute("PRAGMA synchronous=FULL")
        self._sql.execute("CREATE TABLE page (id TEXT PRIMARY KEY, state TEXT, sent_at TEXT)")

    def work(self) -> None:
        """As much as a transfer needs; notes how long each part took."""
        began = time.perf_counter()
        for start in range(0, len(self._encounter_ids), fhir_visits.BATCH):
            self._read(self._encounter_ids[start : start + fhir_visits.BATCH])
        read = time.perf_counter()
        for body in self.bodies:
            orjson.loads(self._get(self._consent))
            answer = self._receiver.request(
                "POST", "/push", body=body, headers={"Content-Type": "application/json"}
            )
            if answer.status != 202:
                raise RuntimeError(f"The receiver answered {answer.status}.")
            self._sql.execute("BEGIN IMMEDIATE")
            moment = datetime.now(UTC).isoformat()
            self._sql.execute("INSERT INTO page VALUES (?, 'SENT', ?)", (str(uuid4()), moment))
            self._sql.execute("COMMIT")
        ended = time.perf_counter()
        for phase, seconds in (
            ("all", ended - began),
            ("prepare", read - began),
            ("push", ended - read),
        ):
            self.phases[phase].append(seconds)

    def close(self) -> None:
        self._sql.close()
        self._fhir.close()
        self._receiver.close()

    def _read(self, encounter_ids: Sequence[str]) -> None:
        """The searches that a batch of visits takes: all that points at them; the allergies of
        their patients, which no search by visit finds; the outlines of their documents."""
        found = self._search(
            "Encounter",
            _id=",".join(encounter_ids),
            _include=fhir_visits._INCLUDE,
            _revinclude=fhir_visits._POINTING,
            _count=str(len(encounter_ids)),
        )
        entries = [entry["resource"] for entry in found["entry"]]
        patients = {e["id"] for e in entries if e["resourceType"] == "Patient"}
        self._search("AllergyIntolerance", patient=",".join(patients), _count="200")
        self._search(
            "DocumentReference",
            encounter=",".join(encounter_ids),
            _elements=fhir_visits._OUTLINE,
            _count="200",
        )

    def _search(self, resource_type: str, **parameters: Any) -> dict[str, Any]:
        answer = self._fhir.request(
            "POST",
            f"{self._base}/{resource_type}/_search",
            body=urlencode(parameters, doseq=True),
            headers={**self._headers, "Content-Type": "application/x-www-form-urlencoded"},
        )
        if answer.status != 200:
            raise RuntimeError(f"HAPI answered {answer.status}.")
        bundle: dict[str, Any] = orjson.loads(answer.data)
        return bundle

    def _get(self, path: str) -> bytes:
        answer = self._fhir.request("GET", path, headers=self._headers)
        if answer.status != 200:
            raise RuntimeError(f"HAPI answered {answer.status}.")
        return answer.data


def _pool(url: str) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(url)
    return urllib3.HTTPConnectionPool(parts.hostname or "", parts.port, maxsize=1, retries=False)


# --- mapping ----------------------------------------------------------------------------------


def _mapping_rows(ours: _Ours, tell: Tell) -> Iterator[Row]:
    """One more transfer with every call into `mappings` timed, wall clock and CPU."""
    tell("a transfer with the mapping timed")
    spent: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)

    def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                spent["wall"] += time.perf_counter() - wall
                spent["cpu"] += time.thread_time() - cpu
                calls[name] += 1

        return wrapped

    with (
        mock.patch.object(mappings, "hi_types", timed("hi_types", mappings.hi_types)),
        mock.patch.object(mappings, "build_document", timed("document", mappings.build_document)),
        mock.patch.object(mappings, "to_bytes", timed("to_bytes", mappings.to_bytes)),
        mock.patch.object(fhir_visits, "group_by_root", timed("group", fhir_visits.group_by_root)),
    ):
        ours.transfer()
    share = 100 * spent["wall"] / ours.phases["all"][-1]
    yield Row("share of the transfer spent in mapping", "", ours=share, unit="%")
    rate = calls["document"] / spent["cpu"]
    yield Row("documents built by one core", "", ours=rate, unit="a second")
