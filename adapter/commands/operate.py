"""Commands for whoever runs the adapter: look at transfers, handle dead letters."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from adapter.commands.run import config_or_exit
from adapter.flows import lookup
from adapter.protocol import timestamps
from adapter.runtime import Adapter, build
from adapter.stores import facilities, incoming_overview, migrate, outbox_delivery, overview


def open_adapter() -> Adapter:
    """An Adapter over the same tables as the running service, which does the sending."""
    adapter = build(config_or_exit())
    migrate.upgrade(adapter.db)
    with adapter.db.transaction() as tx:
        facilities.sync(tx, adapter.config)
    return adapter


def show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    """Rows as a table, or one JSON object a line."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    table = Table()
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console().print(table)


@click.group()
def transfer() -> None:
    """What left for whom, what came from whom, and how it went."""


@transfer.command("list")
@click.option("--limit", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def transfer_list(limit: int, as_json: bool) -> None:
    """The newest transfers, out and in."""
    adapter = open_adapter()
    served = _served(adapter)
    with adapter.db.reading() as tx:
        rows = [
            *({"direction": "out", **row} for row in overview.transfers(tx, served, limit=limit)),
            *incoming_overview.newest(tx, served, limit=limit),
        ]
    rows = sorted(rows, key=lambda row: str(row["created_at"]), reverse=True)[:limit]
    for row in rows:
        row["other_side"] = row["hip_id"] if row["direction"] == "in" else row.get("push_host", "")
    columns = ("id", "created_at", "direction", "other_side", "state", "page_count", "sentence")
    show(rows, columns, as_json)


@transfer.command("show")
@click.argument("transfer_id")
@click.option("--json", "as_json", is_flag=True)
def transfer_show(transfer_id: str, as_json: bool) -> None:
    """One transfer (by its id or transaction id): each care context's outcome, each page."""
    adapter = open_adapter()
    with adapter.db.reading() as tx:
        served = _served(adapter)
        found = overview.transfer_by_id(tx, served, transfer_id)
        received = incoming_overview.by_id(tx, served, transfer_id) if found is None else None
    if received is not None:
        _show_received(received, as_json)
        return
    if found is None:
        click.echo("There is no transfer with this id; see `abdm-adapter transfer list`.", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    show([found], ("transaction_id", "consent_id", "state", "push_host", "sentence"), False)
    show(found["care_contexts"], ("reference", "state", "sentence"), False)
    show(found["pages"], ("number", "reference", "hi_type", "state", "attempts"), False)


def _show_received(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    show([found], ("transaction_id", "artefact_id", "state", "hip_id", "sentence"), False)
    show(found["care_contexts"], ("reference", "received", "sentence"), False)
    show(found["pages"], ("number", "page_count", "size", "state", "sentence"), False)
    show(found["documents"], ("care_context", "hi_type", "sha256", "stored"), False)


@click.group()
def outbox() -> None:
    """Messages that ABDM refused for good, or left unanswered."""


@outbox.command("list")
@click.option("--json", "as_json", is_flag=True)
def outbox_list(as_json: bool) -> None:
    """Dead letters and unanswered messages, with the reason."""
    adapter = open_adapter()
    with adapter.db.reading() as tx:
        rows = [
            {
                "id": row.id,
                "kind": str(row.kind),
                "message": row.message,
                "created_at": timestamps.format(row.created_at),
                "error": row.error,
                "sentence": row.sentence,
            }
            for row in outbox_delivery.dead_letters(tx)
        ]
    show(rows, ("id", "created_at", "message", "error", "sentence"), as_json)


@outbox.command("retry")
@click.argument("row_id")
def outbox_retry(row_id: str) -> None:
    """Send a dead letter again."""
    adapter = open_adapter()
    with adapter.db.transaction() as tx:
        done = outbox_delivery.retry(tx, row_id, adapter.clock())
    if not done:
        click.echo(
            "There is no dead letter with this id; see `abdm-adapter outbox list`.", err=True
        )
        sys.exit(1)
    click.echo("Queued again; the running adapter sends it.")


def _served(adapter: Adapter) -> list[str]:
    return [hip_id for _, hip_id in lookup.served_pairs(adapter)]
