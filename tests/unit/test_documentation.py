"""The documentation names what exists: every setting, every command, every compose service."""

import re
from pathlib import Path

import click
import pytest
import yaml

from adapter.cli import main
from adapter.config import Config
from mappings import hims

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
SETTINGS = [name.upper() for name in Config.model_fields]


def commands(group: click.Group, path: str = "abdm-adapter") -> list[str]:
    """Every command that can be called, as it is typed."""
    found = []
    for name, command in group.commands.items():
        typed = f"{path} {name}"
        found += commands(command, typed) if isinstance(command, click.Group) else [typed]
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_is_in_env_example_and_readme(name: str) -> None:
    assert re.search(rf"^{name}=", ENV_EXAMPLE, re.MULTILINE)
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", SETTINGS)
def test_env_example_shows_the_default(name: str) -> None:
    shown = re.search(rf"^{name}=(.*)$", ENV_EXAMPLE, re.MULTILINE)
    assert shown is not None
    default = Config.model_fields[name.lower()].get_default(call_default_factory=True)
    value = getattr(default, "get_secret_value", lambda: default)()
    expected = "" if value in ((), frozenset(), {}) else str(value)
    if isinstance(value, bool):
        expected = expected.lower()
    assert shown.group(1) == expected


@pytest.mark.parametrize("command", commands(main))
def test_command_is_in_the_readme(command: str) -> None:
    assert command in README


def test_compose_file_parses_and_uses_images_that_the_repository_builds() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    assert set(services) == {"hapi-db", "hapi", "redis", "adapter", "worker", "simulator"}
    for name in ("hapi", "adapter", "worker"):
        build = services[name]["build"]
        context = ROOT / build["context"]
        assert (context / build.get("dockerfile", "Dockerfile")).is_file()
        assert services[name]["image"].endswith(":local")
    assert services["simulator"]["image"] == services["adapter"]["image"]
    assert services["simulator"]["profiles"] == ["demo"]


def test_readme_test_command_is_what_ci_calls() -> None:
    assert "make test" in README
    assert (ROOT / ".ci/run").read_text().strip().splitlines()[-1] == "make test"


@pytest.mark.parametrize("kind", hims.KINDS)
def test_readme_shows_every_field_of_every_entity_and_links_its_schema(kind: str) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith(f"| [`{kind}`](")]
    assert f"mappings/schemas/{kind}.json" in row
    schema = hims.schema(kind)
    for field in schema["properties"]:
        needed = field in schema.get("required", [])
        assert (f"**`{field}`**" if needed else f"`{field}`") in row
