"""`abdm-adapter import`: HIMS entities from files into the FHIR server.

What is stored of a file is noted after each batch, so that a second run of the same command goes on
where the first was stopped. Everything may also be imported again: what is there already stays.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from adapter.commands import entity_files
from adapter.commands.entity_files import EntityFile
from adapter.commands.import_report import Report, Summary, line, refusals, report_to
from adapter.commands.run import config_or_exit
from adapter.flows import import_entities
from adapter.protocol.errors import AdapterError, FhirUnavailable
from adapter.rules.entities import Outcome, Result
from adapter.runtime import Adapter, build
from adapter.stores import import_state, migrate
from adapter.stores.import_state import ImportState
from mappings.hims import KINDS, Fault

#: Refusals shown one by one; the report and --json have all of them.
SHOWN = 50

_OUTCOMES = {
    Outcome.CREATED: "new",
    Outcome.UPDATED: "updated",
    Outcome.UNCHANGED: "there already",
    Outcome.OUTDATED: "left out, since a newer version is there",
    Outcome.MAPPED: "would go in",
    Outcome.EARLIER: "stored by an earlier run",
    Outcome.REFUSED: "refused",
}


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--kind", type=click.Choice(sorted(KINDS)), help="Of all entities in PATHS.")
@click.option("--dry-run", is_flag=True, help="Map and report; write nothing.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the coverage report: what was mapped, kept as text, dropped and why.",
)
@click.option("--json", "as_json", is_flag=True, help="Totals and refusals as one JSON object.")
def import_(
    paths: tuple[Path, ...],
    kind: str | None,
    dry_run: bool,
    report_path: Path | None,
    as_json: bool,
) -> None:
    """Store the HIMS entities in PATHS (JSON, NDJSON, or folders of such) in the FHIR server.

    Run it again to go on after an interruption. Exit code 1 if an entity was refused.
    """
    files = entity_files.find(paths, kind)
    if not files:
        click.echo("There is no .json, .jsonl or .ndjson file in PATHS.", err=True)
        sys.exit(2)
    adapter = build(config_or_exit())
    summary = Summary(dry_run)
    run = _Run(adapter, dry_run, coverage=report_path is not None)
    failure = ""
    refused: list[dict[str, object]] = []
    try:
        with report_to(report_path) as report:
            try:
                if not dry_run:
                    migrate.upgrade(adapter.db)
                refused = _all(run, files, summary, report, as_json)
                summary.complete = True
            except FhirUnavailable as error:
                failure = f"{error} Run the same command again to go on from here."
            except AdapterError as error:
                failure = str(error)
            if report is not None:
                report.finish(summary)
    except OSError as error:
        failure = f"{error.strerror}: {error.filename}"
    finally:
        adapter.db.close()
    if as_json:
        content = {"summary": summary.as_json(), "refused": refused, "error": failure or None}
        click.echo(json.dumps(content, ensure_ascii=False))
    else:
        for outcome, number in summary.counts().items():
            click.echo(f"{number} {_OUTCOMES[Outcome(outcome)]}")
    if failure:
        click.echo(failure, err=True)
    sys.exit(1 if failure or summary.counts()[Outcome.REFUSED] else 0)


@dataclass(frozen=True)
class _Run:
    adapter: Adapter
    dry_run: bool
    coverage: bool

    def results(self, file: EntityFile, digest: str) -> Iterator[list[Result]]:
        """The results of a file, batch by batch, those of an earlier run first."""
        zone = self.adapter.config.hims_zone
        if self.dry_run:
            yield from import_entities.check(file.items(), zone, coverage=self.coverage)
            return
        with self.adapter.db.reading() as tx:
            state = import_state.read(tx, file.path, digest)
        if state.done:
            before = (item for item in file.items() if item.position <= state.done)
            for batch in import_entities.check(before, zone, coverage=self.coverage):
                yield [_earlier(result, state) for result in batch]
        rest = (item for item in file.items() if item.position > state.done)
        for batch in import_entities.store(
            self.adapter, rest, lambda _hfr_id: True, coverage=self.coverage
        ):
            _note(state, batch)
            with self.adapter.db.transaction() as tx:
                import_state.write(tx, file.path, state)
            yield batch
        with self.adapter.db.transaction() as tx:
            import_state.remove(tx, file.path)


def _earlier(result: Result, state: ImportState) -> Result:
    """What an earlier run made of an entity that is only mapped again now."""
    if result.outcome is Outcome.REFUSED:
        return result
    sentence = state.refused.get(result.position)
    if sentence is not None:
        fault = Fault("entity", sentence)
        return replace(result, outcome=Outcome.REFUSED, resources=(), faults=(fault,))
    return replace(result, outcome=Outcome.EARLIER)


def _note(state: ImportState, batch: list[Result]) -> None:
    state.done = max(result.position for result in batch)
    for result in batch:
        # Refused after it was mapped, so by the FHIR server: mapping it again would not show it.
        if result.outcome is Outcome.REFUSED and result.mapped:
            state.refused[result.position] = "; ".join(f.sentence for f in result.faults)


def _all(
    run: _Run, files: list[EntityFile], summary: Summary, report: Report | None, as_json: bool
) -> list[dict[str, object]]:
    """Import every file; returns the refused entities where they are to be printed as JSON."""
    refused: list[dict[str, object]] = []
    shown = 0
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for file in files:
            digest, positions = file.survey()
            task = progress.add_task(file.path.name, total=positions or None)
            for batch in run.results(file, digest):
                for result in batch:
                    summary.add(result)
                    if report is not None:
                        report.add(file, result)
                    for sentence in refusals(file, result):
                        if as_json:
                            refused.append(line(file, result))
                            break
                        shown += 1
                        if shown <= SHOWN:
                            click.echo(sentence, err=True)
                progress.update(task, completed=batch[-1].position)
            progress.update(task, total=positions or 1, completed=positions or 1)
    if shown > SHOWN:
        click.echo(f"… and {shown - SHOWN} more; --report FILE has all of them.", err=True)
    return refused
