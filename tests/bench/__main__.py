"""All benches: `python -m tests.bench [--json] [--only NAME]…` (`make bench`).

Prints one table: each ratio with its aim and whether it was met. Times are never asserted: the
exit code is 0 unless something could not be run. HAPI comes from FHIR_BASE_URL (and FHIR_TOKEN)
where set, else one is built and started for the run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from conformance import fhir_server
from tests.bench import (
    bench_callbacks,
    bench_crypto,
    bench_memory,
    bench_receive,
    bench_transfer,
    bench_watch,
)
from tests.bench.harness import Row, report
from tests.bench.visits import Fhir, Tell

Bench = Callable[[Callable[[], Fhir], Tell], list[Row]]

BENCHES: dict[str, Bench] = {
    "crypto": lambda _fhir, _tell: bench_crypto.run(),
    "transfer": lambda fhir, tell: bench_transfer.run(fhir(), tell),
    "receive": lambda fhir, tell: bench_receive.run(fhir(), tell),
    "callbacks": lambda fhir, tell: bench_callbacks.run(tell),
    "watch": lambda fhir, tell: bench_watch.run(fhir(), tell),
    "memory": lambda fhir, tell: bench_memory.run(fhir(), tell),
}


def main() -> int:
    """Run the benches asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--only", action="append", choices=BENCHES, metavar="NAME", help=", ".join(BENCHES)
    )
    given = parser.parse_args()
    rows: list[Row] = []
    with ExitStack() as stack, progress() as tell:
        servers: list[Fhir] = []

        def fhir() -> Fhir:
            if not servers:
                servers.append(stack.enter_context(server(tell)))
            return servers[0]

        for name in given.only or BENCHES:
            tell(name)
            rows += outcome(
                name, BENCHES[name], fhir, lambda text, name=name: tell(f"{name}: {text}")
            )
    report("Benches", rows, as_json=given.json)
    return 1 if any(row.not_run for row in rows) else 0


def outcome(name: str, bench: Bench, fhir: Callable[[], Fhir], tell: Tell) -> list[Row]:
    """The bench's rows; one that says why it could not be run, so that the others still are."""
    try:
        return bench(fhir, tell)
    except Exception as error:
        traceback.print_exc()
        return [Row(name, "", not_run=f"{type(error).__name__}: {error}"[:200])]


@contextmanager
def progress() -> Iterator[Tell]:
    """Where one is on a terminal; silence elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _text: None
        return
    with console.status("starting") as status:
        yield status.update


@contextmanager
def server(tell: Tell) -> Iterator[Fhir]:
    """The HAPI of this run."""
    if base_url := os.environ.get("FHIR_BASE_URL"):
        yield Fhir(base_url.rstrip("/"), os.environ.get("FHIR_TOKEN", ""))
        return
    with tempfile.TemporaryDirectory(prefix="bench-hapi-") as folder:
        log_file = Path(folder, "fhir-server.log")
        # No guide: nothing is validated here.
        with fhir_server.start(
            Path(folder, "data"), log_file=log_file, guide=None, on_progress=tell
        ) as running:
            yield Fhir(running.base_url, running.token)


if __name__ == "__main__":
    sys.exit(main())
