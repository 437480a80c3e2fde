"""What came of a run over many documents: counted by source and type, printed and kept as files.

Pure counting and writing; `run` builds and validates.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from conformance.explained import EXPLAINED, explanation
from conformance.validate import Issue, ValidationResult

UNEXPLAINED = "unexplained: "
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|https?://\S+|\d+")


@dataclass(frozen=True)
class Fault:
    """One thing that must not be: an error of the validator, or a document that failed before."""

    source: str
    care_context: str
    hi_type: str
    place: str
    message: str


@dataclass
class Row:
    """One line of the table."""

    documents: int = 0
    valid: int = 0
    errors: int = 0
    not_checked: int = 0
    warnings: int = 0


@dataclass
class Results:
    """Everything that a run found."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    batches: Counter[str] = field(default_factory=Counter)
    care_contexts: Counter[str] = field(default_factory=Counter)
    without_type: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        """True if something was checked and nothing is wrong or unchecked."""
        rows = self.rows.values()
        return (
            any(r.documents for r in rows)
            and not self.faults
            and not any(r.not_checked for r in rows)
        )

    def row(self, source: str, hi_type: str) -> Row:
        """The line of this source and type."""
        return self.rows.setdefault((source, hi_type), Row())

    def fault(self, source: str, care_context: str, hi_type: str, place: str, message: str) -> None:
        """Note what must not be."""
        self.row(source, hi_type).errors += 1
        self.faults.append(Fault(source, care_context, hi_type, place, message))

    def judged(
        self, source: str, care_context: str, hi_type: str, result: ValidationResult
    ) -> None:
        """Count what the validator said of one document."""
        row = self.row(source, hi_type)
        row.documents += 1
        if not result.checked:
            row.not_checked += 1
            self.faults.append(
                Fault(source, care_context, hi_type, "", result.reason or "Not checked.")
            )
            return
        row.valid += result.valid
        for issue in result.errors:
            self.fault(source, care_context, hi_type, issue.place, issue.message)
        for issue in result.issues:
            if issue.severity == "warning":
                row.warnings += 1
                self.warnings[kind_of(issue)] += 1

    @property
    def unexplained(self) -> int:
        """How many warnings are of a kind that `explained` doesn't know."""
        return sum(n for kind, n in self.warnings.items() if kind.startswith(UNEXPLAINED))


def kind_of(issue: Issue) -> str:
    """The kind of a warning: its name in `explained`, else its message without values."""
    row = explanation(issue.message)
    return row.kind if row else UNEXPLAINED + _VALUES.sub("…", issue.message)[:160]


def table(results: Results) -> Table:
    """The result table, type by type."""
    made = Table(title="ABDM documents through $validate")
    for name in ("Records of", "HI type"):
        made.add_column(name, no_wrap=True)
    for name in ("Built", "Valid", "Errors", "Unchecked", "Warnings"):
        made.add_column(name, justify="right")
    for (source, hi_type), row in sorted(results.rows.items()):
        made.add_row(source, hi_type, *(f"{n:,}" for n in _numbers(row)))
    made.add_section()
    made.add_row("all", "", *(f"{n:,}" for n in _total(results)))
    return made


def _numbers(row: Row) -> tuple[int, ...]:
    return (row.documents, row.valid, row.errors, row.not_checked, row.warnings)


def _total(results: Results) -> list[int]:
    return [sum(column) for column in zip(*map(_numbers, results.rows.values()), strict=True)] or [
        0
    ] * 5


def as_json(results: Results) -> dict[str, Any]:
    """The results as one JSON object."""
    return {
        "good": results.good,
        "rows": [
            {"source": source, "hi_type": hi_type, **asdict(row)}
            for (source, hi_type), row in sorted(results.rows.items())
        ],
        "care_contexts": dict(results.care_contexts),
        "care_contexts_without_a_document": dict(results.without_type),
        "warnings": [
            {"kind": kind, "count": count, "why": _why(kind)}
            for kind, count in results.warnings.most_common()
        ],
        "unexplained_warnings": results.unexplained,
        "faults": [asdict(fault) for fault in results.faults],
    }


def _why(kind: str) -> str | None:
    return next((row.why for row in EXPLAINED if row.kind == kind), None)


def as_markdown(results: Results) -> str:
    """The results as a page to read."""
    lines = [
        "# ABDM documents through `$validate` (ndhm.in 6.5.0)",
        "",
        "| Records of | HI type | Documents | Valid | Errors | Not checked | Warnings |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for (source, hi_type), row in sorted(results.rows.items()):
        lines.append(f"| {source} | {hi_type} | " + " | ".join(map(str, _numbers(row))) + " |")
    lines.append("| all | | " + " | ".join(map(str, _total(results))) + " |")
    lines += ["", "Care contexts: " + _counted(results.care_contexts) + "."]
    lines += ["Of these without any document: " + (_counted(results.without_type) or "none") + "."]
    lines += ["", "## Warnings by kind", "", "| Kind | Count | Why it stays |", "|---|--:|---|"]
    for kind, count in results.warnings.most_common():
        lines.append(f"| {kind} | {count} | {_why(kind) or ''} |")
    if results.faults:
        lines += ["", "## Faults", ""]
        for fault in results.faults:
            lines.append(
                f"- {fault.source}, {fault.care_context}, {fault.hi_type}"
                f" at `{fault.place}`: {fault.message}"
            )
    return "\n".join(lines) + "\n"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def write(results: Results, report: Path) -> list[Path]:
    """Write `report` (JSON) and the same as Markdown beside it; the paths written."""
    report.parent.mkdir(parents=True, exist_ok=True)
    page = report.with_suffix(".md")
    report.write_text(
        json.dumps(as_json(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    page.write_text(as_markdown(results), encoding="utf-8")
    return [report, page]
