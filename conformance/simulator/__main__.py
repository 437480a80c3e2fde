"""`python -m conformance.simulator --port N`: the simulator alone, in the foreground."""

import logging
from pathlib import Path

import click

from conformance.simulator.server import run


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port; 0 takes any free one.")
@click.option(
    "--seed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with bridges, services, patients and settings.",
)
@click.option(
    "--hip-documents",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of any files that a remote HIP serves byte for byte.",
)
@click.option("--public-url", help="Where others reach it, if not at http://HOST:PORT.")
def main(
    host: str, port: int, seed: Path | None, hip_documents: Path | None, public_url: str | None
) -> None:
    """Run the local ABDM: gateway, consent manager, patient's app, remote HIP and HIU, SMS sink."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    try:
        run(host, port, seed, public_url, hip_documents=hip_documents)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
