"""Pages received from another hospital against the bare FHIR work that nobody can avoid.

*Time.* The adapter takes each page over its own edge, spools, stores, decrypts, splits and writes
it, and reports; the floor does, for the same resources, one read of the Consent and one FHIR
transaction a page over a kept-alive connection, its bytes made beforehand. Both create everything
anew in each round, in turns.

*Memory.* The real adapter process gets 20 pages of 10 MB while its worker stores them; the kernel's
high-water mark of its resident memory is read once the report is out.
"""

from __future__ import annotations

import base64
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import requests
import urllib3

from adapter import logs
from adapter.crypto.sealing import generate_seal_key
from adapter.runtime import system_clock
from adapter.stores.fhir_erase import BATCH
from adapter.stores.fhir_parts import chunks
from mappings.received import Origin, provenance, split_received
from mappings.resources import key
from tests import rig
from tests.bench.adapter_process import adapter_process
from tests.bench.bench_memory import LIMIT_MB, _peak_mb, _until
from tests.bench.harness import Row
from tests.bench.visits import Fhir, Tell, attachment
from tests.flows.harness import Json, Outside, Site, outside
from tests.flows.pushing import NAME, Pushing
from tests.flows.received import bundle

PAGES = 20
RESULTS = 16
ROUNDS = 5
AIM = 1.5
LARGE_PAGES = 20
LARGE_MB = 10
FLOOR = "bare FHIR work"
HFR_ID = "IN2910009001"


def run(fhir: Fhir, tell: Tell) -> list[Row]:
    """The rows of this bench."""
    logs.configure("ERROR")
    return [*_speed(fhir, tell), *_memory(fhir, tell)]


# --- time ---------------------------------------------------------------------------------------


def _speed(fhir: Fhir, tell: Tell) -> list[Row]:
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-receive-") as folder, outside() as world:
        site = _site(world, fhir, rig.sqlite_url(Path(folder)))
        floor = _Floor(fhir)
        try:
            for turn in range(ROUNDS + 1):
                tell(f"round {turn} of {ROUNDS}")
                sides = ("ours", "floor") if turn % 2 else ("floor", "ours")
                measured = {side: _round(side, site, floor) for side in sides}
                for phase, seconds in (measured["ours"] | measured["floor"]).items():
                    if turn:
                        times[phase].append(seconds)
        finally:
            floor.close()
            _clear(site)
            site.adapter.db.close()
    ratios = [mine / bare for mine, bare in zip(times["all"], times["bare"], strict=True)]
    mine, bare = statistics.median(times["all"]), statistics.median(times["bare"])
    entries = RESULTS + 3
    return [
        Row(
            f"{PAGES} pages of {entries} resources received, decrypted and stored",
            FLOOR,
            ours=mine,
            floor=bare,
            ratio=statistics.median(ratios),
            aim=AIM,
            unit="s",
        ),
        Row("  of which: taking the pages in", "", ours=statistics.median(times["take"]), unit="s"),
        Row("  pages received, decrypted and stored", "", ours=PAGES / mine, unit="a second"),
    ]


def _round(side: str, site: Site, floor: _Floor) -> dict[str, float]:
    contexts = tuple(f"visit-{n}" for n in range(1, PAGES + 1))
    other = Pushing(site, contexts)
    other.grant()
    site.answer(other.asked, NAME, {"hiRequest": {"transactionId": other.transaction_id}})
    contents = [bundle(RESULTS) for _ in contexts]
    if side == "floor":
        return {"bare": floor.work(other, contents)}
    pages = [
        orjson.dumps(other.page(other.entry(context, content), number=number, count=PAGES))
        for number, (context, content) in enumerate(zip(contexts, contents, strict=True), 1)
    ]
    path = other.path
    began = time.perf_counter()
    for page in pages:
        other.send(page, path)
    taken = time.perf_counter()
    rig.run_until_idle(site.adapter, ("incoming",))
    ended = time.perf_counter()
    site.run()
    session, statuses, _ = other.reports[-1]
    if session != "RECEIVED" or set(statuses.values()) != {"OK"}:
        raise RuntimeError(f"The transfer ended as {session}.")
    return {"all": ended - began, "take": taken - began}


class _Floor:
    """One Consent read and one transaction a page, and nothing else."""

    def __init__(self, fhir: Fhir) -> None:
        parts = urlsplit(fhir.base_url)
        self._base = parts.path
        self._fhir = urllib3.HTTPConnectionPool(
            parts.hostname or "", parts.port, maxsize=1, retries=False
        )
        self._headers = {
            "Authorization": f"Bearer {fhir.token}",
            "Content-Type": "application/fhir+json",
            "Cache-Control": "no-cache",
        }

    def work(self, other: Pushing, contents: list[bytes]) -> float:
        """Seconds for as much as the pages of a transfer need."""
        bodies = [
            _transaction(other, context, content)
            for context, content in zip(other.contexts, contents, strict=True)
        ]
        began = time.perf_counter()
        for body in bodies:
            orjson.loads(self._ask("GET", f"/Consent/hiu-{other.artefact_id}"))
            self._ask("POST", "/", body)
        return time.perf_counter() - began

    def close(self) -> None:
        self._fhir.close()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        answer = self._fhir.request(method, self._base + path, body=body, headers=self._headers)
        if answer.status != 200:
            raise RuntimeError(f"HAPI answered {answer.status}: {answer.data[:200]!r}")
        return answer.data


def _transaction(other: Pushing, context: str, content: bytes) -> bytes:
    origin = Origin(
        artefact_id=other.artefact_id,
        hip_id=other.hip_id,
        hip_name=None,
        hiu_id=HFR_ID,
        transaction_id=other.transaction_id,
        care_context=context,
        received_at=system_clock(),
        local_patient_id=None,
        recorder="bench",
    )
    document = split_received(content, origin)
    resources = [document.binary, *document.resources]
    resources.append(provenance(document, origin, map(key, document.resources)))
    _written.update(map(key, resources))
    entries = [{"resource": r, "request": {"method": "PUT", "url": key(r)}} for r in resources]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


# What the floor wrote, to be taken away with the rest.
_written: set[str] = set()


# --- memory -------------------------------------------------------------------------------------


def _memory(fhir: Fhir, tell: Tell) -> list[Row]:
    name = f"memory while receiving {LARGE_PAGES} pages of {LARGE_MB} MB"
    if not sys.platform.startswith("linux"):
        return [Row(name, "limit", not_run="reading a process's peak memory needs Linux's /proc")]
    seal_keys = generate_seal_key()
    with (
        tempfile.TemporaryDirectory(prefix="bench-receive-") as folder,
        outside() as world,
        adapter_process(
            Path(folder),
            abdm_url=world.url,
            abdm_facilities=HFR_ID,
            fhir_base_url=fhir.base_url,
            fhir_token=fhir.token,
            seal_keys=seal_keys,
        ) as process,
    ):
        began_mb = _peak_mb(process)
        site = _site(world, fhir, f"sqlite:///{process.database}", seal_keys=seal_keys)
        contexts = tuple(f"visit-{n}" for n in range(1, LARGE_PAGES + 1))
        other = Pushing(site, contexts)
        other.grant()
        _until(lambda: world.to("/data-flow/v3/health-information/request"))
        began, sent = time.monotonic(), 0
        for number, context in enumerate(contexts, 1):
            tell(f"page {number}, {_peak_mb(process):.0f} MB")
            page = orjson.dumps(
                other.page(other.entry(context, _large(number)), number=number, count=LARGE_PAGES)
            )
            sent += len(page)
            answer = requests.post(
                f"http://127.0.0.1:{process.port}{other.path}", data=page, timeout=60
            )
            if answer.status_code != 202:
                raise RuntimeError(f"The adapter answered {answer.status_code}: {answer.text}")
        _until(lambda: other.reports, 300)
        seconds = time.monotonic() - began
        peak = _peak_mb(process)
        session, statuses, _ = other.report
        _clear(site)
        site.adapter.db.close()
    if session != "RECEIVED" or set(statuses.values()) != {"OK"}:
        raise RuntimeError(f"The transfer ended as {session}.")
    return [
        Row(name, "limit", ours=peak, floor=LIMIT_MB, ratio=peak / LIMIT_MB, aim=1.0, unit="MB"),
        Row("  of which: before the transfer", "", ours=began_mb, unit="MB"),
        Row("  received on the wire", "", ours=sent / seconds / 1e6, unit="MB/s"),
    ]


def _large(number: int) -> bytes:
    """A document with a file; its page is at least LARGE_MB million bytes."""
    data = base64.b64encode(attachment(LARGE_MB * 3 // 5, number)).decode()
    scan: Json = {
        "resourceType": "DocumentReference",
        "id": str(uuid.uuid4()),
        "status": "current",
        "content": [{"attachment": {"contentType": "application/pdf", "data": data}}],
    }
    made = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "document",
        "entry": [{"fullUrl": f"urn:uuid:{scan['id']}", "resource": scan}],
    }
    return json.dumps(made).encode()


# --- both ---------------------------------------------------------------------------------------


class _Now(rig.FrozenClock):
    """The clock of the wall."""

    def __call__(self) -> datetime:
        return system_clock()


def _site(world: Outside, fhir: Fhir, database_url: str, **settings: str) -> Site:
    clock = _Now()
    adapter = rig.adapter_over(
        database_url,
        clock,
        durable=True,
        abdm_url=world.url,
        abdm_facilities=HFR_ID,
        fhir_base_url=fhir.base_url,
        fhir_token=fhir.token,
        allow_local_push=True,
        public_url="http://127.0.0.1:8080",
        **settings,
    )
    return Site(adapter, clock, world, HFR_ID, HFR_ID)


def _clear(site: Site) -> None:
    """Take from the FHIR server what this bench has put there."""
    names = {row["resource"] for row in site.rows("received_resource")} | _written
    consents = {f"Consent/hiu-{row['id']}" for row in site.rows("hiu_artefact")}
    _written.clear()
    for some in chunks(sorted(names) + sorted(consents), BATCH):
        entries = [{"request": {"method": "DELETE", "url": name}} for name in some]
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        site.adapter.fhir._client.execute("/", method="post", data=bundle)
