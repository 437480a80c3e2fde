"""The tables of `conformance/` say what is so: every message, and no module or test made up."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from adapter.protocol import routes
from tests.flows.wire import BOTH

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


def generations(path: str, test: str) -> tuple[str, ...]:
    """In which generations a test of the flows runs, as `tests/flows/conftest.py` reads it."""
    module = ast.parse((ROOT / path).read_text())
    found = ("v3",)
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="GENERATIONS")], value=value):
                found = BOTH if isinstance(value, ast.Name) else ast.literal_eval(value)
            case ast.FunctionDef(name=name, decorator_list=marks) if name == test:
                for mark in marks:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) in (
                        "only",
                        "wire.only",
                    ):
                        return tuple(ast.literal_eval(each) for each in mark.args)
    return found


def test_the_flow_of_a_message_is_shown_in_its_dialect() -> None:
    elsewhere = []
    for dialect, message, *_, named in rows("messages"):
        path, _, test = named.partition("::")
        generation = "v3" if dialect == "v3" else "v0.5"
        if generation not in generations(path, test):
            elsewhere.append((dialect, message, test))
    assert not elsewhere


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
