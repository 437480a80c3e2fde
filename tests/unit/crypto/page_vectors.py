"""The vectors of conformance/vectors as objects; large texts are built on reading."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[3] / "conformance" / "vectors" / "page_encryption.json"
ENCODINGS = ("publicKeyRaw", "publicKeyX509", "publicKeyX509Named")


@dataclass(frozen=True)
class Side:
    private_key: str
    public_keys: dict[str, str]
    nonce: str

    @property
    def scalar(self) -> int:
        return int.from_bytes(base64.b64decode(self.private_key), "big")

    @property
    def point(self) -> tuple[int, int]:
        raw = base64.b64decode(self.public_keys["publicKeyRaw"])
        return int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")


@dataclass(frozen=True)
class Vector:
    id: str
    sender: Side
    receiver: Side
    plaintext: bytes
    expected: dict[str, Any]

    def __str__(self) -> str:
        return self.id


def _side(fields: dict[str, str]) -> Side:
    keys = {encoding: fields[encoding] for encoding in ENCODINGS}
    return Side(fields["privateKey"], keys, fields["nonce"])


def _vector(fields: dict[str, Any]) -> Vector:
    if "plaintext" in fields:
        plaintext = fields["plaintext"]
    else:
        parts = fields["plaintextParts"]
        plaintext = parts["prefix"] + parts["unit"] * parts["repeat"] + parts["suffix"]
    return Vector(
        fields["id"],
        _side(fields["sender"]),
        _side(fields["receiver"]),
        plaintext.encode(),
        fields,
    )


VECTORS = [_vector(fields) for fields in json.loads(FILE.read_text("utf-8"))]
BY_ID = {vector.id: vector for vector in VECTORS}
