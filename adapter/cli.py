"""The command `abdm-adapter`: every command group in one place; each lives in `commands/`.

Exit codes: 0 done, 1 the thing asked for failed (the reason is printed), 2 wrong usage or settings.
"""

from __future__ import annotations

import click

from adapter import __version__
from adapter.commands import (
    abha,
    archive,
    consent,
    facility,
    fidelius,
    import_,
    keys,
    link,
    operate,
    records,
    run,
    viewer,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Join a hospital's FHIR server to ABDM."""


for command in (
    run.demo,
    run.up,
    run.serve,
    run.worker,
    run.simulator,
    run.fhir_server,
    import_.import_,
    records.document,
    records.validate,
    facility.facility,
    facility.bridge,
    abha.abha,
    link.link,
    consent.consent,
    operate.transfer,
    archive.archive,
    viewer.viewer,
    operate.outbox,
    keys.keys,
    fidelius.fidelius,
):
    main.add_command(command)
