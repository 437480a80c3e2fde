"""Commands for the archive of records whose consent has ended. None of them shows content."""

from __future__ import annotations

import getpass
import json
import sys

import click

from adapter.commands.operate import open_adapter, show
from adapter.flows import archive as flow
from adapter.runtime import Adapter
from adapter.stores import archive as store
from adapter.stores.archive import Copy

_COLUMNS = ("id", "hip_id", "hi_type", "reason", "ended_at", "erase_at", "erased_at")


@click.group()
def archive() -> None:
    """Sealed copies of received records whose consent was revoked or has expired."""


@archive.command("list")
@click.option("--limit", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def archive_list(limit: int, as_json: bool) -> None:
    """The documents archived last."""
    adapter = open_adapter()
    with adapter.db.reading() as tx:
        copies = store.newest(tx, None, limit=limit)
    show([store.plain(each) for each in copies], _COLUMNS, as_json)


@archive.command("show")
@click.argument("copy_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True)
def archive_show(copy_id: str, as_json: bool) -> None:
    """Everything known of one archived document but its content."""
    shown = store.plain(_copy_or_exit(open_adapter(), copy_id))
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    show([{"what": name, "is": value} for name, value in shown.items()], ("what", "is"), False)


@archive.command("erase")
@click.argument("copy_ids", metavar="[ID]…", nargs=-1)
@click.option("--due", is_flag=True, help="Every copy whose time is over.")
@click.option("--user", default=getpass.getuser, help="Who orders it, for the audit trail.")
@click.option("--json", "as_json", is_flag=True)
def archive_erase(copy_ids: tuple[str, ...], due: bool, user: str, as_json: bool) -> None:
    """Erase the sealed content of these documents for good; what is known of them stays."""
    if not copy_ids and not due:
        raise click.UsageError("Name documents of `abdm-adapter archive list`, or say --due.")
    adapter = open_adapter()
    copies = [_copy_or_exit(adapter, each) for each in copy_ids]
    if due:
        with adapter.db.reading() as tx:
            copies += store.due(tx, adapter.clock())
    rows = [{"id": each.id, "erased": flow.erase(adapter, each, user)} for each in copies]
    show(rows, ("id", "erased"), as_json)


def _copy_or_exit(adapter: Adapter, copy_id: str) -> Copy:
    with adapter.db.reading() as tx:
        found = store.by_id(tx, copy_id)
    if found is None:
        click.echo(
            f"There is no archived document {copy_id}; see `abdm-adapter archive list`.", err=True
        )
        sys.exit(1)
    return found
