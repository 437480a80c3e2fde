"""Files of HIMS entities for `abdm-adapter import`: find them, tell their kind, read them in order.

NDJSON (`.ndjson`, `.jsonl`) is read line by line; a `.json` file is one entity or a list, read
whole. The kind is what the caller says, else the entity's own `kind`, else the name of the file or
of its folder (`patients.ndjson`, `daily-round-2.json`, `invoice/0001.json`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from adapter.rules.entities import Item
from mappings.hims import KINDS

#: The order in which a folder is best stored: what is pointed to comes first, which saves
#: the FHIR server its placeholders. Any other order gives the same records.
ORDER = ("facility", "user", "patient", "consultation")

_SUFFIXES = (".json", ".jsonl", ".ndjson")
_UNKNOWN_KIND = (
    "is of no known kind; name the file after it (patient.ndjson), give each entity a field kind, "
    f"or use --kind; known kinds: {', '.join(KINDS)}"
)
# The longer names first: none of them may hide behind a shorter one.
_NAME = re.compile(rf"({'|'.join(sorted(KINDS, key=len, reverse=True))})s?([^a-z].*)?\Z")

_PLURALS = {"allergies": "allergy", "diagnoses": "diagnosis", "facilities": "facility"}


@dataclass(frozen=True)
class EntityFile:
    """One file. `kind`: of its entities; None where each must say it. `forced`: said by --kind."""

    path: Path
    kind: str | None
    forced: bool = False

    @property
    def is_list(self) -> bool:
        """One JSON value, against one a line."""
        return self.path.suffix.lower() == ".json"

    @property
    def position_name(self) -> str:
        """What a position counts, from 1."""
        return "item" if self.is_list else "line"

    def survey(self) -> tuple[str, int]:
        """(digest of content and kind, number of positions; 0 where that shows while reading)."""
        digest = hashlib.sha256(f"{self.kind}:{self.forced}:".encode())
        lines = 0
        with self.path.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
                lines += chunk.count(b"\n")
        return digest.hexdigest(), 0 if self.is_list else lines

    def items(self) -> Iterator[Item]:
        """Every entity, in order; a line that can't be read is an item that says so."""
        if self.is_list:
            yield from self._list()
            return
        with self.path.open("rb") as content:
            for position, line in enumerate(content, 1):
                text = line.strip().removeprefix(b"\xef\xbb\xbf")
                if not text:
                    continue
                try:
                    yield self._item(position, orjson.loads(text))
                except orjson.JSONDecodeError:
                    yield self._unreadable(position, "is no JSON; write one JSON object a line")

    def _list(self) -> Iterator[Item]:
        try:
            parsed = orjson.loads(self.path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError:
            sentence = "is no JSON as a whole; a file with one entity a line is named .ndjson"
            yield self._unreadable(1, sentence)
            return
        entities = parsed if isinstance(parsed, list) else [parsed]
        for position, entity in enumerate(entities, 1):
            yield self._item(position, entity)

    def _item(self, position: int, entity: object) -> Item:
        kind = self.kind
        if isinstance(entity, dict) and not self.forced:
            own = entity.get("kind")
            if isinstance(own, str) and own in KINDS:
                kind = own
                entity = {name: value for name, value in entity.items() if name != "kind"}
        if kind is None:
            return self._unreadable(position, _UNKNOWN_KIND)
        return Item(position, kind, entity)

    def _unreadable(self, position: int, sentence: str) -> Item:
        return Item(position, self.kind or "unknown", None, sentence)


def find(paths: Sequence[Path], kind: str | None) -> list[EntityFile]:
    """The files under these paths, once each, those that others point to first.

    `kind`: of all entities, where the caller says so. A folder is searched whole for names that
    end in .json, .jsonl or .ndjson; hidden files and folders are left out.
    """
    found: dict[Path, EntityFile] = {}
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in inside:
            hidden = any(part.startswith(".") for part in each.relative_to(path).parts)
            if path.is_dir() and (hidden or each.suffix.lower() not in _SUFFIXES):
                continue
            if each.is_file():
                made = EntityFile(each, kind or kind_of(each), forced=kind is not None)
                found.setdefault(each.resolve(), made)
    return sorted(found.values(), key=_rank)


def kind_of(path: Path) -> str | None:
    """The kind that a file's name says, or else its folder's; None if neither does."""
    for name in (path.stem, path.absolute().parent.name):
        written = re.sub(r"[\s-]", "_", name.lower())
        for plural, singular in _PLURALS.items():
            written = written.replace(plural, singular, 1)
        if match := _NAME.match(written):
            return match.group(1)
    return None


def _rank(file: EntityFile) -> int:
    return ORDER.index(file.kind) if file.kind in ORDER else len(ORDER)
