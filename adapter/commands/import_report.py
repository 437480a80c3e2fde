"""The coverage report of an import: every entity with what became of it, and the totals.

Written entity by entity, so that a large import needs no memory for it, and put in place whole:
`{"entities": [...], "summary": {...}}`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from adapter.commands.entity_files import EntityFile
from adapter.rules.entities import Outcome, Result


@dataclass
class Summary:
    """Totals by kind: outcomes; fields by what became of them and why; needs of document types."""

    dry_run: bool
    complete: bool = False
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    mapped: dict[str, Counter[str]] = field(default_factory=dict)
    kept_as_text: dict[str, Counter[str]] = field(default_factory=dict)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    needs: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Count one entity."""
        _count(self.outcomes, result.kind, str(result.outcome))
        covered = result.coverage or {}
        for name in covered.get("mapped", ()):
            _count(self.mapped, result.kind, name)
        for column in ("kept_as_text", "dropped"):
            for note in covered.get(column, ()):
                name = ".".join(s for s in note["field"].split(".") if not s.isdecimal())
                _count(getattr(self, column), result.kind, f"{name}: {note['reason']}")
        for hi_type, sentences in covered.get("needs", {}).items():
            for sentence in sentences:
                every = "every document" if hi_type == "*" else hi_type
                _count(self.needs, result.kind, f"{every}: {sentence}")

    def counts(self) -> Counter[str]:
        """Entities by outcome, over all kinds."""
        return sum(self.outcomes.values(), Counter())

    def as_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "dry_run": self.dry_run,
            "complete": self.complete,
            "counts": self.counts(),
            "by_kind": self.outcomes,
            "mapped": self.mapped,
            "kept_as_text": self.kept_as_text,
            "dropped": self.dropped,
            "needs": self.needs,
        }


class Report:
    """A report file being written; `add` every entity in order."""

    def __init__(self, path: Path) -> None:
        """`path`: where the report goes once it is closed."""
        self._path = path
        self._draft = path.with_name(path.name + ".part")
        self._first = True

    def __enter__(self) -> Self:
        self._file: TextIO = self._draft.open("w", encoding="utf-8")
        self._file.write('{"entities": [')
        return self

    def add(self, file: EntityFile, result: Result) -> None:
        """One entity."""
        self._file.write("\n" if self._first else ",\n")
        self._first = False
        json.dump(line(file, result), self._file, ensure_ascii=False)

    def finish(self, summary: Summary) -> None:
        """The totals; the report is whole then and takes its place."""
        self._file.write('\n],\n"summary": ')
        json.dump(summary.as_json(), self._file, ensure_ascii=False, indent=1)
        self._file.write("}\n")
        self._file.close()
        self._draft.replace(self._path)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)


@contextmanager
def report_to(path: Path | None) -> Iterator[Report | None]:
    """The report at `path`; None where none is wanted."""
    if path is None:
        yield None
        return
    with Report(path) as report:
        yield report


def line(file: EntityFile, result: Result) -> dict[str, Any]:
    """One entity of a file, as it stands in the report."""
    return {"file": str(file.path), **result.as_dict(file.position_name)}


def refusals(file: EntityFile, result: Result) -> list[str]:
    """What to tell a person about a refused entity: file, line, field and sentence."""
    if result.outcome is not Outcome.REFUSED:
        return []
    place = f"{file.path}, {file.position_name} {result.position}, {result.kind}"
    return [f"{place}: {fault.field} {fault.sentence}" for fault in result.faults]


def _count(table: dict[str, Counter[str]], kind: str, name: str) -> None:
    table.setdefault(kind, Counter())[name] += 1
