"""The fast document check with the demands of this package; see `mappings.checker`.

for finding in check(document):
    click.echo(f"{finding.severity} at {finding.place}: {finding.message}")
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from mappings import checker
from mappings.checker import Demands, Finding


@cache
def demands() -> Demands:
    """The tables of `conformance/documents`."""
    return checker.read_demands(files("conformance.documents"))


def check(document: dict[str, Any] | bytes) -> list[Finding]:
    """What is wrong with one document Bundle; [] for nothing found."""
    return checker.check(document, demands())
