"""Commands about consent of patients for their records at other hospitals."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from adapter.commands.operate import open_adapter, show
from adapter.flows import consent_lookup, hiu_raise
from adapter.protocol.errors import AdapterError
from adapter.rules.consent_request import ACCESS_MODES, FREQUENCY_UNITS, HI_TYPES, PURPOSES
from adapter.runtime import Adapter
from adapter.stores import facilities

Result = TypeVar("Result")

_COLUMNS = ("id", "created_date", "patient_abha", "patient_name", "status", "expiry", "reason")
_ARTEFACTS = ("id", "hip", "status", "hi_types", "from_time", "to_time", "expiry", "reason")


@click.group()
def consent() -> None:
    """Consent of patients for their records at other hospitals."""


@consent.command("request")
@click.argument("patient")
@click.option("--purpose", type=click.Choice(list(PURPOSES)), required=True)
@click.option(
    "--hi-type", "hi_types", type=click.Choice(HI_TYPES), multiple=True, required=True,
    help="Repeat for several.",
)  # fmt: skip
@click.option("--from", "from_time", help="Records since this date or time; default 30 days ago.")
@click.option("--to", "to_time", help="Records until this date or time; default now.")
@click.option("--expiry", help="When the records are to be erased here; default in 30 days.")
@click.option("--access-mode", type=click.Choice(ACCESS_MODES))
@click.option("--frequency-unit", type=click.Choice(FREQUENCY_UNITS))
@click.option("--frequency-value", type=int)
@click.option("--frequency-repeats", type=int)
@click.option("--hip", help="Only this hospital's records (its service id).")
@click.option(
    "--care-context", "care_contexts", nargs=2, multiple=True,
    metavar="PATIENT_REFERENCE REFERENCE", help="Only this visit at --hip; repeat for several.",
)  # fmt: skip
@click.option("--hiu", help="Service id of the facility that asks, if several are served.")
@click.option("--requester", help="Who asks, as the patient sees it; default --user.")
@click.option(
    "--registration", nargs=3, metavar="TYPE NUMBER SYSTEM", help="The requester's registration."
)
@click.option("--user", default=getpass.getuser, help="Who acts, for the audit trail.")
@click.option("--json", "as_json", is_flag=True)
def consent_request(patient: str, user: str, as_json: bool, **options: Any) -> None:
    """Ask PATIENT (an ABHA address, or the ABHA number of a patient on record) for consent.

    A date or time without zone is in HIMS_TIMEZONE.
    """
    adapter = open_adapter()
    served = _served(adapter)
    body = {"patient_abha": patient, **_body(options, adapter.config.hims_zone)}
    row = _or_exit(lambda: hiu_raise.raise_request(adapter, body, user=user, hiu_ids=served))
    described = _or_exit(lambda: consent_lookup.request(adapter, row.id, served))
    show([described], _COLUMNS, as_json)


@consent.command("list")
@click.option("--patient", help="Only those about this FHIR Patient (id).")
@click.option("--state", help="Only those in this state, GRANTED for example.")
@click.option("--limit", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def consent_list(patient: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """The newest consent requests and how they stand."""
    adapter = open_adapter()
    rows = _or_exit(
        lambda: consent_lookup.requests(
            adapter, _served(adapter), patient_id=patient, state=state, limit=limit
        )
    )
    show(rows, _COLUMNS, as_json)


@consent.command("show")
@click.argument("request_id")
@click.option("--json", "as_json", is_flag=True)
def consent_show(request_id: str, as_json: bool) -> None:
    """One consent request with the artefacts that came of it; REQUEST_ID is ours or ABDM's."""
    adapter = open_adapter()
    found = _or_exit(lambda: consent_lookup.request(adapter, request_id, _served(adapter)))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    artefacts = found.pop("consent_artefacts")
    width = max(map(len, found))
    for name, value in found.items():
        if value not in (None, []):
            click.echo(f"{name:{width}}  {value}")
    if artefacts:
        show(artefacts, _ARTEFACTS, as_json=False)


def _served(adapter: Adapter) -> frozenset[str]:
    with adapter.db.reading() as tx:
        return frozenset(service_id for _, service_id in facilities.served(tx))


def _body(options: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """The options that were given, as fields of a consent request."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    for name in ("from_time", "to_time", "expiry"):
        if name in given:
            given[name] = _with_zone(given[name], zone)
    if "hi_types" in given:
        given["hi_types"] = list(given["hi_types"])
    if "care_contexts" in given:
        given["care_contexts"] = [
            {"patientReference": patient, "careContextReference": reference}
            for patient, reference in given["care_contexts"]
        ]
    if "registration" in given:
        kind, number, system = given.pop("registration")
        given["requester_identifier"] = {"type": kind, "value": number, "system": system}
    return given


def _with_zone(text: str, zone: ZoneInfo) -> str:
    """A date or time as the rules want it; what is none is left for them to name."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()


def _or_exit(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except AdapterError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
