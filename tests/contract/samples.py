"""What the codec tests share: the ids and times of `conformance/samples`, and its files."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import conformance

SAMPLES = Path(next(iter(conformance.__path__))) / "samples"
ID = "-5b1e-4c60-9d2a-6f0c1e9a7b34"
REQUEST, TRANSACTION, LINK = f"00000101{ID}", f"00000201{ID}", f"00000202{ID}"
CONSENT, CONSENT_REQUEST, TRANSFER = f"00000301{ID}", f"00000302{ID}", f"00000401{ID}"
VISIT = "encounter-meera-2026-08-14"
ADDRESS = "meera.joshi@sbx"
HIP = "IN2910000001"
HIU = "IN2710000007"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def sample(name: str, folder: str = "v3") -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SAMPLES / folder / f"{name}.json").read_text())
    return body
