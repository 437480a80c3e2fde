"""The guided journey: records leave the hospital, others come, and both obey the patient's consent.

`run` starts the whole stack, walks through the steps, explains each, and ends with a summary.
Everything goes over real HTTP; the steps are those of the `journey_…` modules.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance import journey_abha, journey_files, journey_hip, journey_hiu
from conformance import stack as stacks
from conformance.journey import FileSeen, Journey, Step, StepFailed


def audit(journey: Journey) -> str:
    """What the FHIR server remembers of all this."""
    journey.simulator.wait_for(
        lambda: journey.fhir("AuditEvent", _summary="count").get("total", 0) > 0,
        "an AuditEvent",
    )
    total = journey.fhir("AuditEvent", _summary="count")["total"]
    return f"{total} AuditEvents tell who linked, disclosed, received, archived and refused what"


def steps(*, with_files: bool = False) -> tuple[Step, ...]:
    """The journey in order; `with_files`: a folder of files is served too."""
    files = (journey_files.STEP,) if with_files else ()
    last = Step("What remains", "The audit trail in the FHIR server.", audit)
    opening, leaving = journey_hip.STEPS[:2], journey_hip.STEPS[2:]
    return (*opening, *journey_abha.STEPS, *leaving, *journey_hiu.STEPS, *files, last)


@dataclass(frozen=True)
class StepResult:
    """One line of the report: `detail` says what was seen, or why it failed."""

    name: str
    ok: bool
    seconds: float
    detail: str


def run(
    folder: Path,
    *,
    report: Path | None = None,
    as_json: bool = False,
    stay: threading.Event | None = None,
    hip_documents: Path | None = None,
) -> bool:
    """Walk the journey in `folder`; true when every step went well.

    `report`: file for `{"ok", "steps": [{"name", "ok", "seconds", "detail"}], "files": […]}`, the
    files as FileSeen; `as_json` prints the same. `hip_documents`: a folder whose files another
    hospital sends. `stay`: keep everything running afterwards until the event is set.
    """
    console = Console(stderr=as_json)
    walked = _Walk(console, steps(with_files=hip_documents is not None))
    stack: stacks.Stack | None = None
    try:
        with console.status("Starting") as status:
            started = time.monotonic()
            try:
                stack = stacks.start(
                    folder,
                    on_progress=lambda text: status.update(text),
                    hip_documents=hip_documents,
                )
            except Exception as error:  # noqa: BLE001 - the report must name whatever went wrong
                walked.note("Start", started, str(error) or type(error).__name__, ok=False)
        if stack is not None:
            parts = "FHIR server, simulated ABDM and adapter are up"
            walked.note("Start", started, parts, ok=True)
            walked.walk(Journey(stack))
        ok = walked.finish(report, as_json=as_json)
        if stay is not None and ok and stack is not None:
            _tell_where(console, stack)
            stay.wait()
        return ok
    finally:
        if stack is not None:
            console.print("Stopping everything.")
            stack.stop()


class _Walk:
    """The steps on their way: what has been seen so far, shown and reported."""

    def __init__(self, console: Console, steps: tuple[Step, ...]) -> None:
        self._console = console
        self._steps = steps
        self._results: list[StepResult] = []
        self._files: list[FileSeen] = []

    def note(self, name: str, started: float, detail: str, *, ok: bool) -> None:
        """Keep what a step showed and print it."""
        seconds = round(time.monotonic() - started, 2)
        self._results.append(StepResult(name, ok, seconds, detail))
        mark = "[green]✓[/]" if ok else "[red]✗[/]"
        self._console.print(f"   {mark} {escape(detail)}")

    def walk(self, journey: Journey) -> None:
        """Run the steps in order; the first failure ends the walk: later ones build on it."""
        for number, step in enumerate(self._steps, start=1):
            self._console.print(f"\n[bold]{number}. {step.name}[/]\n   {step.explanation}")
            started = time.monotonic()
            try:
                with self._console.status("working") as status:
                    journey.progress = lambda text: status.update(text)
                    detail = step.act(journey)
            except StepFailed as error:
                return self.note(step.name, started, str(error), ok=False)
            except Exception as error:  # noqa: BLE001 - the report must name whatever went wrong
                detail = f"{type(error).__name__}: {error}"
                return self.note(step.name, started, detail, ok=False)
            finally:
                self._files = journey.files
            self.note(step.name, started, detail, ok=True)
        return None

    def finish(self, report: Path | None, *, as_json: bool) -> bool:
        """Write and show the report; whether everything went well."""
        ok = all(one.ok for one in self._results) and len(self._results) == len(self._steps) + 1
        summary = {
            "ok": ok,
            "steps": [asdict(one) for one in self._results],
            "files": [asdict(one) for one in self._files],
        }
        if report is not None:
            report.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
        if as_json:
            Console().print_json(data=summary)
            return ok
        self._console.print()
        self._console.print(_steps_table(self._results))
        if self._files:
            self._console.print(_files_table(self._files))
        verdict = (
            "[green]All steps went well.[/]" if ok else "[red]The journey did not end well.[/]"
        )
        self._console.print(verdict)
        return ok


def _steps_table(results: list[StepResult]) -> Table:
    table = Table(title="The journey", title_justify="left")
    table.add_column("Step")
    table.add_column("")
    table.add_column("Seconds", justify="right")
    table.add_column("What was seen", overflow="fold")
    for result in results:
        mark = "[green]ok[/]" if result.ok else "[red]failed[/]"
        table.add_row(result.name, mark, f"{result.seconds:.1f}", escape(result.detail))
    return table


def _files_table(files: list[FileSeen]) -> Table:
    """The files with the codes of what was wrong; the report has the sentences."""
    table = Table(title="The files", title_justify="left")
    table.add_column("File", overflow="fold")
    table.add_column("Verbatim")
    table.add_column("SHA-256")
    table.add_column("Resources", justify="right")
    table.add_column("Flags", overflow="fold")
    for one in files:
        mark = "[green]yes[/]" if one.verbatim else "[red]no[/]"
        codes = dict.fromkeys(flag.split(":")[0] for flag in one.flags)
        table.add_row(
            escape(one.name),
            mark if one.size else "empty",
            one.sha256[:12] + "…",
            str(one.stored),
            ", ".join(codes),
        )
    return table


def _tell_where(console: Console, stack: stacks.Stack) -> None:
    console.print(
        f"\nEverything stays up until Ctrl+C:\n"
        f"  patient's app   {stack.simulator_url}/phr\n"
        f"  adapter         {stack.adapter_url}  (HIMS_API_KEYS={stack.hims_key})\n"
        f"  FHIR server     {stack.fhir_url}  (FHIR_TOKEN={stack.fhir_token})\n"
        f"{_analysts(stack)}"
        f"  logs            {stack.folder}"
    )


def _analysts(stack: stacks.Stack) -> str:
    """The tokens for the README's queries, where this run's own FHIR server has made some."""
    tokens = stack.fhir.tokens if stack.fhir else {}
    names = [
        f"{role}: {tokens[role]}" for role in ("analyst", "analyst.received") if role in tokens
    ]
    return f"  analysts        {', '.join(names)}  (README, Analysts)\n" if names else ""
