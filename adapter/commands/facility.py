"""Commands for the facilities served here, and for the bridge that they share at ABDM."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import click

from adapter.commands.operate import open_adapter, show
from adapter.flows import facility as flow
from adapter.flows.facility import Check
from adapter.protocol.errors import AdapterError
from adapter.stores import facilities
from adapter.stores.facilities import Facility

Result = TypeVar("Result")

_COLUMNS = ("hf_id", "facility_id", "hip_id", "name", "state", "message")


@click.group()
def facility() -> None:
    """The facilities served here, and how ABDM has them."""


@facility.command("add")
@click.argument("hf_id")
@click.option("--facility-id", help="The hospital's own id of the facility.")
@click.option("--json", "as_json", is_flag=True)
def facility_add(hf_id: str, facility_id: str | None, as_json: bool) -> None:
    """Serve HF_ID (IN and ten characters) and register it with ABDM as HIP and HIU."""
    adapter = open_adapter()
    added = _or_exit(lambda: flow.add_facility(adapter, hf_id, facility_id))
    show([_row(added)], _COLUMNS, as_json)


@facility.command("list")
@click.option("--json", "as_json", is_flag=True)
def facility_list(as_json: bool) -> None:
    """Every facility served, and whether ABDM has it registered."""
    adapter = open_adapter()
    with adapter.db.reading() as tx:
        rows = facilities.all_(tx)
    show([_row(each) for each in rows], _COLUMNS, as_json)


@facility.command("check")
@click.argument("hf_id", required=False)
@click.option("--json", "as_json", is_flag=True)
def facility_check(hf_id: str | None, as_json: bool) -> None:
    """Compare HF_ID (default: every facility) with ABDM's list; exit code 1 if anything is off."""
    adapter = open_adapter()
    with adapter.db.reading() as tx:
        wanted = [hf_id] if hf_id else [each.hfr_id for each in facilities.all_(tx)]
    checks: list[tuple[str, Check]] = []
    for each in wanted:
        found = _or_exit(partial(flow.check_facility, adapter, each))
        checks += [(each, check) for check in found]
    _show_checks(checks, as_json)


@click.group()
def bridge() -> None:
    """The one URL that ABDM sends all callbacks of this ABDM_CLIENT_ID to."""


@bridge.command("set")
@click.argument("url")
def bridge_set(url: str) -> None:
    """Send every callback to URL (https, no slash at its end); takes effect at once."""
    adapter = open_adapter()
    _or_exit(lambda: flow.set_bridge_url(adapter, url))
    click.echo(f"ABDM sends callbacks to {url} now; check it with `abdm-adapter bridge verify`.")


@bridge.command("show")
@click.option("--json", "as_json", is_flag=True)
def bridge_show(as_json: bool) -> None:
    """The bridge as ABDM has it: its URL and the services linked to it."""
    adapter = open_adapter()
    found = _or_exit(lambda: flow.show_bridge(adapter))
    rows = [
        {
            "bridge": found.id,
            "url": found.url,
            "service": each.id,
            "name": each.name,
            "types": " ".join(each.types),
            "active": each.active,
        }
        for each in found.services
    ]
    rows = rows or [{"bridge": found.id, "url": found.url}]
    show(rows, ("bridge", "url", "service", "name", "types", "active"), as_json)


@bridge.command("verify")
@click.option("--json", "as_json", is_flag=True)
def bridge_verify(as_json: bool) -> None:
    """Fetch a nonce of ours through the registered URL; exit code 1 if it is not ours."""
    adapter = open_adapter()
    checks = _or_exit(lambda: flow.verify_bridge(adapter))
    _show_checks([(adapter.config.abdm_client_id, check) for check in checks], as_json)


def _show_checks(checks: Sequence[tuple[str, Check]], as_json: bool) -> None:
    rows = [
        {"of": of, "check": each.name, "ok": each.ok, "detail": each.sentence}
        for of, each in checks
    ]
    show(rows, ("of", "check", "ok", "detail"), as_json)
    sys.exit(0 if all(each.ok for _, each in checks) else 1)


def _or_exit(do: Callable[[], Result]) -> Result:
    try:
        return do()
    except AdapterError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _row(row: Facility) -> dict[str, object]:
    return {
        "hf_id": row.hfr_id,
        "facility_id": row.facility_id or "",
        "hip_id": row.hip_id,
        "name": row.name or "",
        "state": row.state,
        "message": row.sentence or "",
    }
