"""`make conformance`: every document type, built from many hospitals' records, through `$validate`.

    python -m conformance.run [--limit N] [--report FILE] [--json]

Builds what `mappings.hi_types` offers for each care context of the demo hospital, of generated
visits and of the guide's examples; each document must build twice to the same bytes, pass the quick
check and have no error in the FHIR server's `$validate`. The server is the one of FHIR_BASE_URL and
FHIR_TOKEN, else one is started with the implementation guide. Exit code 1 if anything is wrong or
could not be checked.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import mappings
from conformance import fhir_server, ig, results, sources
from conformance.checker import check
from conformance.results import Results
from conformance.sources import Batch
from conformance.validate import ValidationResult, Validator
from mappings.checker import errors

VISITS = 500
PARALLEL = 2
REPORT = Path("var/conformance.json")


@dataclass(frozen=True)
class Made:
    """One document, ready for the validator."""

    source: str
    care_context: str
    hi_type: str
    content: bytes


def documents(batches: Iterable[Batch], found: Results) -> Iterator[Made]:
    """Build every document that the batches offer; what fails is noted in `found`."""
    for batch in batches:
        found.batches[batch.source] += 1
        for records in mappings.group_by_root(batch.resources, organization=batch.facility):
            root = f"{records.root['resourceType']}/{records.root['id']}"
            name = f"{batch.name}: {root}"
            offered = mappings.hi_types(records)
            found.care_contexts[batch.source] += 1
            found.without_type[batch.source] += not offered
            for hi_type in offered:
                yield from _of_type(batch.source, name, hi_type, records, found)


def _of_type(
    source: str, name: str, hi_type: str, records: mappings.Records, found: Results
) -> Iterator[Made]:
    """The documents of one type that one care context has; a report or a bill each is one."""
    try:
        bundles = mappings.build_documents(hi_type, records)
        contents = [mappings.to_bytes(bundle) for bundle in bundles]
        again = [mappings.to_bytes(b) for b in mappings.build_documents(hi_type, records)]
    except Exception as error:  # noqa: BLE001 - a document that can't be built is a result
        found.fault(source, name, hi_type, "", f"Offered but not built: {error!r}")
        return
    if not contents:
        found.fault(source, name, hi_type, "", "Offered, and no document was built.")
    if contents != again:
        found.fault(source, name, hi_type, "", "A second build gives other bytes.")
    for bundle, content in zip(bundles, contents, strict=True):
        for finding in errors(check(bundle)):
            found.fault(source, name, hi_type, finding.place, f"Quick check: {finding.message}")
        yield Made(source, name, hi_type, content)


def batches(visits: int) -> list[Batch]:
    """All records that documents are built from."""
    return [*sources.demo(), *sources.guide(), *sources.generated(visits)]


def at_most(limit: int | None, made: Iterable[Made]) -> Iterator[Made]:
    """The first `limit` documents of each type from each source; None: all."""
    seen: Counter[tuple[str, str]] = Counter()
    for each in made:
        seen[each.source, each.hi_type] += 1
        if limit is None or seen[each.source, each.hi_type] <= limit:
            yield each


def judge(made: Iterable[Made], validator: Validator, found: Results) -> Iterator[int]:
    """Validate documents, `PARALLEL` at a time; yields how many are done."""
    done = 0
    waiting: list[tuple[Made, Future[ValidationResult]]] = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        for each in chain(made, (None,)):
            if each is not None:
                waiting.append((each, pool.submit(validator.validate, each.content)))
            # Few are held at once: one of them has 20 MB.
            while waiting and (each is None or len(waiting) > 2 * PARALLEL):
                first, answer = waiting.pop(0)
                found.judged(first.source, first.care_context, first.hi_type, answer.result())
                done += 1
                yield done


@contextmanager
def _server(console: Console) -> Iterator[tuple[str, str]]:
    """Base URL and token of the FHIR server to ask."""
    if base_url := os.environ.get("FHIR_BASE_URL"):
        yield base_url, os.environ.get("FHIR_TOKEN", "")
        return
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        log = Path(folder) / "fhir-server.log"
        tell = console.print
        with fhir_server.start(Path(folder) / "data", log_file=log, on_progress=tell) as server:
            yield server.base_url, server.token


@click.command()
@click.option("--visits", default=VISITS, show_default=True, help="How many generated visits.")
@click.option("--limit", type=int, help="At most so many of each type from each source.")
@click.option("--report", default=REPORT, show_default=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def main(visits: int, limit: int | None, report: Path, as_json: bool) -> None:
    """Build every ABDM document type from many records and validate each; exit 1 on any error."""
    there, why = ig.guide_available()
    if not there:
        raise click.ClickException(f"Nothing can be checked: {why}.")
    found = Results()
    console = Console(stderr=True)
    with _server(console) as (base_url, token):
        validator = Validator(base_url, token or None)
        records = batches(visits)
        made = at_most(limit, documents(records, found))
        columns = (TextColumn("Validating"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
        ) as progress:
            task = progress.add_task("", total=len(records))
            for _ in judge(made, validator, found):
                progress.update(task, completed=found.batches.total())
    written = results.write(found, report)
    if as_json:
        click.echo(json.dumps(results.as_json(found), ensure_ascii=False))
    else:
        Console().print(results.table(found))
        _tell(found)
        click.echo(f"Written to {' and '.join(map(str, written))}.")
    sys.exit(0 if found.good else 1)


def _tell(found: Results) -> None:
    """The warnings by kind and the first faults, below the table."""
    for kind, count in found.warnings.most_common():
        click.echo(f"{count:>7} warnings: {kind}")
    for fault in found.faults[:20]:
        where = f"{fault.source}, {fault.care_context}, {fault.hi_type} at {fault.place}"
        click.echo(f"FAULT {where}: {fault.message}")
    if len(found.faults) > 20:
        click.echo(f"… and {len(found.faults) - 20} more faults; the report has all.")


if __name__ == "__main__":
    main()
