"""Commands about documents: print one as it would leave, and validate files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import orjson

from adapter.commands.run import config_or_exit
from adapter.flows import lookup
from adapter.protocol.errors import AdapterError
from adapter.runtime import build
from mappings.records import DocumentImpossible


@click.command()
@click.argument("care_context")
@click.option("--hi-type", required=True, help="For example OPConsultation or Prescription.")
@click.option("--number", default=1, show_default=True, help="Which one, of several reports, say.")
@click.option("--compact", is_flag=True, help="The very bytes that would leave, on one line.")
def document(care_context: str, hi_type: str, number: int, compact: bool) -> None:
    """Print an ABDM document of CARE_CONTEXT (Encounter-ID, Invoice-ID, …) to standard output."""
    adapter = build(config_or_exit())
    served = frozenset(facility.hip_id for facility in adapter.config.abdm_facilities)
    try:
        content = lookup.document(adapter, care_context, hi_type, served, number)
    except (AdapterError, DocumentImpossible) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if not compact:
        content = orjson.dumps(orjson.loads(content), option=orjson.OPT_INDENT_2)
    sys.stdout.buffer.write(content + b"\n")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each file.")
def validate(files: tuple[str, ...], as_json: bool) -> None:
    """Validate FHIR documents in FILES with the FHIR server; exit code 1 if any has an error.

    A file whose profile the server has not loaded is "not checked", never valid.
    """
    from conformance.validate import validate as check

    config = config_or_exit()
    failed = False
    for name in files:
        try:
            result = check(
                config.fhir_base_url,
                config.fhir_token.get_secret_value(),
                Path(name).read_bytes(),
            )
        except (OSError, ValueError) as error:
            result = None
            problem = str(error)
        if result is None:
            failed = True
            line = {"file": name, "checked": False, "reason": problem, "issues": []}
        else:
            line = {
                "file": name,
                "checked": result.checked,
                "reason": result.reason,
                "issues": [
                    {"severity": i.severity, "place": i.place, "message": i.message}
                    for i in result.issues
                ],
            }
            failed = failed or not result.valid
        if as_json:
            click.echo(json.dumps(line, ensure_ascii=False))
            continue
        if not line["checked"]:
            click.echo(f"{name}: not checked: {line['reason']}")
        elif result is not None:
            click.echo(f"{name}: {len(result.errors)} errors")
        for issue in result.issues if result else ():
            click.echo(f"  {issue.severity} at {issue.place}: {issue.message}")
    sys.exit(1 if failed else 0)
