"""The folder says what code may do (architecture, rule 1), read from every module's imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {"flask", "requests", "sqlalchemy", "fhirpy", "celery", "redis", "urllib3", "socket"}
DOERS = {"adapter.flows", "adapter.stores", "adapter.upstream", "adapter.web", "adapter.work"}

FORBIDDEN: dict[str, set[str]] = {
    "adapter/protocol": OUTSIDE | DOERS | {"adapter.runtime", "adapter.config", "os"},
    "adapter/rules": OUTSIDE | DOERS | {"adapter.runtime", "adapter.config", "os"},
    "adapter/crypto": OUTSIDE | DOERS | {"adapter.runtime", "adapter.config"},
    "mappings": OUTSIDE | {"adapter", "conformance", "os"},
    "adapter/flows": OUTSIDE | {"adapter.web", "adapter.cli", "conformance", "os"},
    "adapter/stores": {"flask", "adapter.flows", "adapter.web", "conformance"},
    "adapter/upstream": {"flask", "sqlalchemy", "adapter.flows", "adapter.web", "conformance"},
    "adapter/web": {"requests", "fhirpy", "conformance"},
    "conformance/simulator": {"adapter", "mappings"},
}


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports at run time, as dotted names (typing-only ones left out)."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def offences(folder: str) -> list[str]:
    """Lines "file imports module" for each import that `folder` may not have."""
    banned = FORBIDDEN[folder]
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in sorted(imports_of(path))
        if any(name == ban or name.startswith(f"{ban}.") for ban in banned)
    ]


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_folder_imports_only_what_its_rule_allows(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert offences(folder) == []


def test_only_config_reads_the_environment_inside_the_adapter() -> None:
    allowed = {"adapter/commands/run.py"}
    readers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "adapter").rglob("*.py")
        if any(
            isinstance(node, ast.Attribute)
            and node.attr in ("environ", "getenv")
            # A WSGI request has an `environ` of its own.
            and not (isinstance(node.value, ast.Name) and node.value.id == "request")
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    assert readers - allowed == set()


def test_the_rule_notices_a_forbidden_import(tmp_path: Path) -> None:
    guilty = tmp_path / "x.py"
    guilty.write_text("from adapter.stores.db import Database\nimport requests\n")
    assert {"requests", "adapter.stores.db"} <= imports_of(guilty)
