"""Commands of linking: how it stands, one visit now, what failed, years of records, opting out."""

from __future__ import annotations

import getpass
import json
import sys
import time
from datetime import datetime

import click
from rich.console import Console
from rich.progress import Progress

from adapter.commands.operate import open_adapter, show
from adapter.flows import backfill, hip_linking, link_changes, link_status, lookup
from adapter.flows.hip_linking import LinkReport
from adapter.protocol.errors import AdapterError, FhirUnavailable
from adapter.runtime import Adapter

_USER = click.option("--user", default=getpass.getuser, help="Who acts, for the audit trail.")
_JSON = click.option("--json", "as_json", is_flag=True)
_STANDING = ("reference", "display", "state", "why", "what_to_do")

#: How long a backfill waits for a FHIR server that is away, and how often it tries.
OUTAGE_PAUSE_S = 5.0
OUTAGE_TRIES = 60


@click.group()
def link() -> None:
    """How visits are linked with their patients' ABHA: by themselves; here one looks and helps."""


@link.command("now")
@click.argument("record")
@_USER
@_JSON
def now(record: str, user: str, as_json: bool) -> None:
    """Link RECORD with ABDM: the id of a visit's FHIR Encounter, or a reference (Invoice/ID)."""
    adapter = open_adapter()
    try:
        report = hip_linking.link_encounter(adapter, record, user)
    except AdapterError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    _show_reports([report], as_json)
    sys.exit(0 if report.states else 1)


@link.command("status")
@click.argument("patient", required=False)
@click.option("--limit", default=100, show_default=True, help="Care contexts shown at most.")
@_JSON
def status(patient: str | None, limit: int, as_json: bool) -> None:
    """How linking stands: every visit of PATIENT (FHIR id), or all that is not linked yet."""
    adapter = open_adapter()
    hip_ids = _served(adapter)
    try:
        if patient is not None:
            show(link_status.of_patient(adapter, patient, hip_ids), _STANDING, as_json)
            return
        found = link_status.of_hospital(adapter, hip_ids, limit=limit)
    except AdapterError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    show(found["care_contexts"], ("patient", *_STANDING), False)
    show(found["unreadable"], ("record", "why"), False)
    counts = ", ".join(f"{number} {state}" for state, number in sorted(found["links"].items()))
    click.echo(f"Links: {counts or 'none'}. To be looked at: {found['to_be_looked_at']}.")


@link.command("retry")
@click.argument("patient", required=False)
@_USER
@_JSON
def retry(patient: str | None, user: str, as_json: bool) -> None:
    """Link again what has failed: of PATIENT (FHIR id), or all."""
    adapter = open_adapter()
    try:
        reports = link_status.retry(adapter, user, _served(adapter), patient_id=patient)
    except AdapterError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if not reports:
        click.echo("Nothing has failed.", err=True)
    _show_reports(reports, as_json)


@link.command("opt-out")
@click.argument("patient")
@_USER
@_JSON
def opt_out(patient: str, user: str, as_json: bool) -> None:
    """PATIENT (FHIR id) opts out: nothing of theirs is linked, offered or released any more."""
    adapter = open_adapter()
    try:
        link_changes.opt_out(adapter, patient, user)
    except AdapterError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    _show_opted_out(patient, True, link_changes.AFTER_OPT_OUT, as_json)


@link.command("opt-in")
@click.argument("patient")
@_JSON
def opt_in(patient: str, as_json: bool) -> None:
    """PATIENT (FHIR id) takes part again; what ABDM has already is released again at once."""
    adapter = open_adapter()
    try:
        link_changes.opt_in(adapter, patient)
    except AdapterError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    sentence = "The patient takes part again; the running adapter links what is not linked yet."
    _show_opted_out(patient, False, sentence, as_json)


def _show_opted_out(patient: str, opted_out: bool, sentence: str, as_json: bool) -> None:
    answer = json.dumps({"patient": patient, "opted_out": opted_out})
    click.echo(answer if as_json else sentence)


@link.command("backfill")
@click.option("--since", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--per-minute", default=600, show_default=True, help="Visits looked at, at most.")
@_USER
def backfill_(since: datetime, per_minute: int, user: str) -> None:
    """Link what happened since a day, newest month first; goes on where it was interrupted."""
    adapter = open_adapter()
    first = since.date()
    waiting = backfill.months(adapter, first)
    found = 0
    with Progress(disable=not Console().is_terminal) as progress:
        task = progress.add_task("Months", total=len(waiting))
        for month in waiting:
            try:
                for number in backfill.queue_month(adapter, first, month, user):
                    _look_at_all(adapter, per_minute)
                    found += number
            except FhirUnavailable as error:
                click.echo(f"{error} Run the same command again; it goes on from here.", err=True)
                sys.exit(1)
            progress.advance(task)
    backfill.forget(adapter)
    click.echo(
        f"Looked at {found} visits and patients since {first}. The running adapter links them; "
        "see `abdm-adapter link status`."
    )


def _look_at_all(adapter: Adapter, per_minute: int) -> None:
    """Look at what is queued, no faster than so many a minute."""
    tries = 0
    left = None
    while left != 0:
        started = time.monotonic()
        try:
            left = backfill.look(adapter)
        except FhirUnavailable:
            tries += 1
            if tries > OUTAGE_TRIES:
                raise
            time.sleep(OUTAGE_PAUSE_S)
            continue
        pause = backfill.BATCH * 60 / max(per_minute, 1) - (time.monotonic() - started)
        if left:
            time.sleep(max(pause, 0.0))


def _show_reports(reports: list[LinkReport], as_json: bool) -> None:
    rows = [
        {"care_context": report.reference, "hi_type": hi_type, "link": state}
        for report in reports
        for hi_type, state in report.states
    ]
    show(rows, ("care_context", "hi_type", "link"), as_json)
    for sentence in dict.fromkeys(report.sentence for report in reports if report.sentence):
        click.echo(sentence, err=True)


def _served(adapter: Adapter) -> frozenset[str]:
    return frozenset(hip_id for _, hip_id in lookup.served_pairs(adapter))
