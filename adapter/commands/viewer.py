"""Building the viewer of received documents, by whoever may use the package that it is made of."""

from __future__ import annotations

import json
import sys

import click

from adapter.commands.run import config_or_exit
from adapter.viewer import build as building

_LICENCE = """\
The viewer is built from the npm package hi-profiles {version}. Neither the package nor what can be
seen of its repository states a licence, so nobody may use it without leave of its authors, the Open
Healthcare Network. It is therefore no part of this product: it is fetched from npm and built here,
by you and for your hospital, and whether you may do so is between you and its authors."""


@click.group()
def viewer() -> None:
    """The page that shows a received document."""


@viewer.command("build")
@click.option("--licence-settled", is_flag=True, help="The authors have given their leave.")
@click.option("--json", "as_json", is_flag=True)
def viewer_build(licence_settled: bool, as_json: bool) -> None:
    """Fetch the package hi-profiles from npm and build the viewer into VIEWER_DIR."""
    versions = building.versions()
    click.echo(_LICENCE.format(version=versions["hi-profiles"]), err=True)
    if not licence_settled:
        click.echo(
            "\nNothing was fetched. Once the authors have given you their leave, run it again "
            "with --licence-settled.",
            err=True,
        )
        sys.exit(2)
    folder = config_or_exit().viewer_dir
    try:
        files = building.build(folder, lambda words: click.echo(words, err=True))
    except (building.ViewerNotBuilt, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps({"files": [str(each) for each in files], "packages": versions}))
        return
    click.echo(f"Built {' and '.join(str(each) for each in files)}.")
    click.echo("A received document is shown at /hims/v1/received/ID/view.")
