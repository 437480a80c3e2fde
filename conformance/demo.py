"""The guided journey: a visit in the FHIR server leaves the hospital, consented and encrypted.

`run` starts the whole stack, walks through the steps below, explains each, and ends with a summary.
Everything goes over real HTTP; the steps are those of `journey.py`.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from conformance import stack as stacks
from conformance.journey import STEPS, Journey, StepFailed


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
) -> bool:
    """Walk the journey in `folder`; true when every step went well.

    `report`: file for `{"ok", "steps": [{"name", "ok", "seconds", "detail"}]}`; `as_json` prints
    the same. `stay`: keep everything running afterwards until the event is set.
    """
    console = Console(stderr=as_json)
    results: list[StepResult] = []
    journey: Journey | None = None
    try:
        with console.status("Starting") as status:
            started = time.monotonic()
            try:
                stack = stacks.start(folder, on_progress=lambda text: status.update(text))
            except Exception as error:  # noqa: BLE001 - the report must name whatever went wrong
                detail = str(error) or type(error).__name__
                results.append(StepResult("Start", False, _since(started), detail))
                console.print(f"[red]Could not start:[/] {detail}")
                return _finish(console, results, report, as_json)
            results.append(
                StepResult(
                    "Start", True, _since(started), "FHIR server, simulated ABDM and adapter are up"
                )
            )
        journey = Journey(stack)
        _walk(console, journey, results)
        ok = _finish(console, results, report, as_json)
        if stay is not None and ok:
            _tell_where(console, stack)
            stay.wait()
        return ok
    finally:
        if journey is not None:
            console.print("Stopping everything.")
            journey.stack.stop()


def _walk(console: Console, journey: Journey, results: list[StepResult]) -> None:
    """Run the steps in order; the first failure ends the walk, since later ones build on it."""
    for number, step in enumerate(STEPS, start=1):
        console.print(f"\n[bold]{number}. {step.name}[/]\n   {step.explanation}")
        started = time.monotonic()
        try:
            with console.status("working") as status:
                journey.progress = lambda text: status.update(text)
                detail = step.act(journey)
        except StepFailed as error:
            ok, detail = False, str(error)
        except Exception as error:  # noqa: BLE001 - the report must name whatever went wrong
            ok, detail = False, f"{type(error).__name__}: {error}"
        else:
            ok = True
        results.append(StepResult(step.name, ok, _since(started), detail))
        console.print(f"   [{'green' if ok else 'red'}]{'✓' if ok else '✗'}[/] {detail}")
        if not ok:
            return


def _finish(
    console: Console, results: list[StepResult], report: Path | None, as_json: bool
) -> bool:
    ok = all(result.ok for result in results) and len(results) == len(STEPS) + 1
    summary = {"ok": ok, "steps": [asdict(result) for result in results]}
    if report is not None:
        report.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
    if as_json:
        Console().print_json(data=summary)
        return ok
    table = Table(title="The journey", title_justify="left")
    table.add_column("Step")
    table.add_column("")
    table.add_column("Seconds", justify="right")
    table.add_column("What was seen", overflow="fold")
    for result in results:
        mark = "[green]ok[/]" if result.ok else "[red]failed[/]"
        table.add_row(result.name, mark, f"{result.seconds:.1f}", result.detail)
    console.print()
    console.print(table)
    console.print(
        "[green]All steps went well.[/]" if ok else "[red]The journey did not end well.[/]"
    )
    return ok


def _tell_where(console: Console, stack: stacks.Stack) -> None:
    console.print(
        f"\nEverything stays up until Ctrl+C:\n"
        f"  patient's app   {stack.simulator_url}/phr\n"
        f"  adapter         {stack.adapter_url}  (HIMS_API_KEYS={stack.hims_key})\n"
        f"  FHIR server     {stack.fhir_url}  (FHIR_TOKEN={stack.fhir_token})\n"
        f"  logs            {stack.folder}"
    )


def _since(started: float) -> float:
    return round(time.monotonic() - started, 2)
