"""The memory of a worker that sends 200 MB of attachments: 20 visits with a file of 10 MB each.

The real adapter process with its embedded worker gets a consent and a request as signed callbacks
and sends everything; the kernel's high-water mark of its resident memory is read once it is done.
The visits are not linked through this adapter, so the request itself already has to look at them.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import requests

from adapter.crypto.fidelius import ReceiverKey
from tests.bench.adapter_process import AdapterProcess, adapter_process
from tests.bench.harness import Row
from tests.bench.outside import Outside, outside
from tests.bench.visits import Fhir, Loaded, Tell, attachment, loaded

VISITS = 20
MEGABYTES = 10
LIMIT_MB = 512.0
TIMEOUT_S = 600


def run(fhir: Fhir, tell: Tell) -> list[Row]:
    """The rows of this bench."""
    name = f"memory while sending {VISITS} visits of {MEGABYTES} MB"
    if not sys.platform.startswith("linux"):
        return [Row(name, "limit", not_run="reading a process's peak memory needs Linux's /proc")]
    with (
        tempfile.TemporaryDirectory(prefix="bench-memory-") as folder,
        outside() as world,
        loaded(fhir, VISITS, tell, files=lambda n: attachment(MEGABYTES, n)) as records,
        adapter_process(
            Path(folder),
            abdm_url=world.url,
            abdm_facilities=records.hfr_id,
            fhir_base_url=fhir.base_url,
            fhir_token=fhir.token,
        ) as adapter,
    ):
        began_mb = _peak_mb(adapter)
        began = time.monotonic()
        _ask(world, adapter, records)
        _wait(adapter, tell)
        seconds = time.monotonic() - began
        peak = _peak_mb(adapter)
        sent = world.counts()["push bytes"]
    # Base64 of base64: a file grows by 16/9 on its way out.
    if sent < VISITS * MEGABYTES * 1_000_000 * 16 / 9:
        raise RuntimeError(f"Only {sent:,} bytes were sent: not every attachment left.")
    return [
        Row(name, "limit", ours=peak, floor=LIMIT_MB, ratio=peak / LIMIT_MB, aim=1.0, unit="MB"),
        Row("  of which: before the transfer", "", ours=began_mb, unit="MB"),
        Row("  sent on the wire", "", ours=sent / seconds / 1e6, unit="MB/s"),
    ]


def _ask(world: Outside, adapter: AdapterProcess, records: Loaded) -> None:
    """A consent notice, its acknowledgement awaited; then the request for all of it."""
    consent_id = str(uuid4())
    key = ReceiverKey.generate()
    dates = {"from": "2024-01-01T00:00:00.000Z", "to": "2030-01-01T00:00:00.000Z"}
    _callback(world, adapter, records, "consent/request/hip/notify", _notice(consent_id, records))
    _until(lambda: world.counts().get(_GATEWAY + "consent/v3/request/hip/on-notify", 0))
    request = {
        "transactionId": str(uuid4()),
        "hiRequest": {
            "consent": {"id": consent_id},
            "dateRange": dates,
            "dataPushUrl": world.push_url,
            "keyMaterial": {
                "cryptoAlg": "ECDH",
                "curve": "Curve25519",
                "dhPublicKey": {
                    "expiry": _tomorrow(),
                    "parameters": "Curve25519/32byte random key",
                    "keyValue": key.public_key_raw,
                },
                "nonce": key.nonce,
            },
        },
    }
    _callback(world, adapter, records, "hip/health-information/request", request)


_GATEWAY = "/api/hiecm/"


def _notice(consent_id: str, records: Loaded) -> dict[str, Any]:
    detail = {
        "consentId": consent_id,
        "createdAt": datetime.now(UTC).isoformat(),
        "patient": {"id": records.abha_address},
        "careContexts": [
            {"patientReference": records.patient_id, "careContextReference": reference}
            for reference in records.references
        ],
        "purpose": {"code": "CAREMGT", "text": "Care management"},
        "hip": {"id": records.hfr_id},
        "hiu": {"id": "IN2910009001"},
        "hiTypes": ["OPConsultation"],
        "permission": {
            "accessMode": "VIEW",
            "dateRange": {"from": "2024-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"},
            "dataEraseAt": _tomorrow(),
            "frequency": {"unit": "HOUR", "value": 1, "repeats": 0},
        },
    }
    return {
        "notification": {
            "consentId": consent_id,
            "status": "GRANTED",
            "consentDetail": detail,
            "signature": "c2lnbmF0dXJl",
        }
    }


def _tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def _callback(
    world: Outside, adapter: AdapterProcess, records: Loaded, path: str, body: dict[str, Any]
) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{adapter.port}/api/v3/{path}",
        data=json.dumps(body),
        headers=world.callback_headers(records.hfr_id),
        timeout=30,
    )
    if answer.status_code != 202:
        raise RuntimeError(f"The adapter answered {answer.status_code}: {answer.text[:200]}")


def _until(there: Any, timeout_s: float = 60) -> None:
    ends = time.monotonic() + timeout_s
    while not there():
        if time.monotonic() > ends:
            raise RuntimeError("The adapter did not go on; see its log.")
        time.sleep(0.1)


def _wait(adapter: AdapterProcess, tell: Tell) -> None:
    """Until the transfer has ended and its report is out."""
    ends = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends:
        with sqlite3.connect(f"file:{adapter.database}?mode=ro", uri=True) as sql:
            ended = sql.execute("SELECT state, done_at, sentence FROM transfer").fetchone()
            made, sent = sql.execute("SELECT count(*), count(sent_at) FROM page").fetchone()
        tell(f"{made} pages made, {sent} sent, {_peak_mb(adapter):.0f} MB")
        if ended and ended[1] and not adapter.waiting():
            if ended[0] != "TRANSFERRED" or ended[2]:
                raise RuntimeError(f"The transfer ended as {ended[0]}: {ended[2]}")
            return
        time.sleep(0.25)
    raise RuntimeError("The transfer did not end in time.")


def _peak_mb(adapter: AdapterProcess) -> float:
    """The largest high-water mark of gunicorn's processes, in MB (10^6 bytes)."""
    parent = psutil.Process(adapter.child.process.pid)
    return max(_high_water(each.pid) for each in (parent, *parent.children(recursive=True)))


def _high_water(pid: int) -> float:
    lines: Iterator[str] = iter(Path(f"/proc/{pid}/status").read_text().splitlines())
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return kilobytes * 1024 / 1e6
