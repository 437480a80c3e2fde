"""Commands for the keys that seal what is kept."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.progress import Progress

from adapter.commands.operate import open_adapter
from adapter.stores import sealed


@click.group()
def keys() -> None:
    """The keys of SEAL_KEYS, under which secrets are sealed at rest."""


@keys.command("rotate")
@click.option("--json", "as_json", is_flag=True)
def rotate(as_json: bool) -> None:
    """Seal everything again under the first key of SEAL_KEYS, so that older ones can be removed.

    Put the new key first and restart the service before; take the old ones away half an hour
    after, when no page addressed under them can come any more.
    """
    adapter = open_adapter()
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("sealing", total=sealed.count(adapter))
        done, broken = sealed.rotate(adapter, lambda: progress.advance(task))
    if as_json:
        click.echo(json.dumps({"sealed": done, "unopened": broken}))
    else:
        click.echo(f"{done} values are sealed under the first key.")
        for each in broken:
            click.echo(f"Not opened, their key is no longer in SEAL_KEYS: {each}", err=True)
    sys.exit(1 if broken else 0)
