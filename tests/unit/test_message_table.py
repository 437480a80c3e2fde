"""The tables of `conformance/` say what is so: every message, and no module or test made up."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from adapter.protocol import routes

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("messages", "specification", "cases")


def rows(table: str) -> list[list[str]]:
    """The cells of each row, without heading."""
    text = (ROOT / "conformance" / f"{table}.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_the_message_table_has_the_rows_of_every_dialect_and_no_other() -> None:
    expected = []
    for name in routes.DIALECTS:
        dialect = routes.dialect_of(name)
        expected += [(name, row.message.__name__, "to us", row.path) for row in dialect.inbound]
        expected += [
            (name, row.message.__name__, "from us", row.path or "given") for row in dialect.outbound
        ]
    assert sorted(tuple(row[:4]) for row in rows("messages")) == sorted(expected)


@pytest.mark.parametrize("table", TABLES)
def test_every_named_test_and_module_exists(table: str) -> None:
    text = (ROOT / "conformance" / f"{table}.md").read_text()
    tests = re.findall(r"`([\w/.]+\.py)::(\w+)`", text)
    assert tests
    missing = [f"{path}::{name}" for path, name in tests if name not in functions(path)]
    modules = re.findall(r"`([\w/]+\.py)`", text)
    assert not missing + [path for path in modules if not (ROOT / path).is_file()]


def test_no_case_and_no_row_of_the_specification_stands_twice_or_says_nothing() -> None:
    cases = [row[0] for row in rows("cases")]
    parts = [(row[0], row[1]) for row in rows("specification")]
    assert len(set(cases)) == len(cases)
    assert len(set(parts)) == len(parts)
    assert all(row[2] for row in rows("cases"))
    assert all(row[3] for row in rows("specification"))
