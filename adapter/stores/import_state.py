"""How far the import of a file has come, so that a second run of the command goes on from there.

One row of `setting` a file, written after each stored batch and removed when the file is done. It
holds positions and the sentences of refusals; nothing of an entity.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import sqlalchemy as sa

from adapter.stores import settings
from adapter.stores.db import Tx, setting


@dataclass
class ImportState:
    """Progress in one file. `digest`: of its content and of how it is read; another means anew.

    `done`: the last position stored; `refused`: by position, the sentence of what the FHIR server
    refused (what the mapping refuses can be found again).
    """

    digest: str
    done: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def read(tx: Tx, path: Path, digest: str) -> ImportState:
    """Where an earlier run of this very file stopped; a new state where there is none."""
    value = settings.get(tx, _key(path))
    kept = json.loads(value) if value else {}
    if kept.get("digest") != digest:
        return ImportState(digest)
    refused = {int(position): sentence for position, sentence in kept["refused"].items()}
    return ImportState(digest, kept["done"], refused)


def write(tx: Tx, path: Path, state: ImportState) -> None:
    """Keep the progress."""
    value = json.dumps(asdict(state))
    remove(tx, path)
    tx.execute(sa.insert(setting).values(key=_key(path), value=value))


def remove(tx: Tx, path: Path) -> None:
    """The file is done: the next run starts at its beginning."""
    tx.execute(sa.delete(setting).where(setting.c.key == _key(path)))


def _key(path: Path) -> str:
    return "import:" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:48]
