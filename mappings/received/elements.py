"""FHIR R4's own elements: which each type has, of what kind, how many, and with which codes.

The table `r4.json` is written from HL7's definitions by `tests/unit/mappings/write_r4_elements.py`.
It holds, by type and element: `type`, then `=LIST` (the codes allowed), `(TYPE,...)` (what a
Reference may lead to), `@BASE` (one of a choice: `valueString@value`) and `*` (may repeat).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

_SPEC = re.compile(
    r"(?P<type>[A-Za-z0-9.]+)(=(?P<codes>\w+))?(\((?P<targets>[\w,]+)\))?(@(?P<base>\w+))?"
    r"(?P<many>\*)?\Z"
)
# What every resource has; the table holds it once.
_SHARED: Final = "DomainResource"


@dataclass(frozen=True)
class Element:
    """One element of a type. `codes`, `targets`: empty for any. `choice`: the name that its
    alternatives share (`value` of `valueString`), "" if there is one type only."""

    type: str
    many: bool
    codes: frozenset[str]
    targets: frozenset[str]
    choice: str

    @property
    def primitive(self) -> bool:
        """True for a single value: in JSON a text, number or boolean."""
        return self.type[0].islower()


def _read() -> dict[str, Any]:
    text = resources.files("mappings.received").joinpath("r4.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


_TABLE: Final = _read()
#: Every resource type of R4 (http://hl7.org/fhir/R4/resourcelist.html).
RESOURCE_TYPES: Final = frozenset(_TABLE["resources"])
#: What a FHIR server acts on instead of keeping: it would send records elsewhere (Subscription),
#: change how they are searched (SearchParameter), or replace the guide that documents are checked
#: against (StructureDefinition, ValueSet, ...). The audit trail is for nobody else to write.
STEERING_TYPES: Final = frozenset(
    {
        "AuditEvent",
        "CapabilityStatement",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "ExampleScenario",
        "GraphDefinition",
        "ImplementationGuide",
        "MessageDefinition",
        "NamingSystem",
        "OperationDefinition",
        "OperationOutcome",
        "Parameters",
        "SearchParameter",
        "StructureDefinition",
        "StructureMap",
        "Subscription",
        "TerminologyCapabilities",
        "TestReport",
        "TestScript",
        "ValueSet",
    }
)


@cache
def elements_of(type_name: str) -> dict[str, Element]:
    """The elements of a resource, data type or part (`Patient.contact`), by name."""
    specs = dict(_TABLE["types"][type_name])
    if type_name in RESOURCE_TYPES:
        specs = {**_TABLE["types"][_SHARED], **specs}
    return {name: _element(spec) for name, spec in specs.items()}


@cache
def _element(spec: str) -> Element:
    match = _SPEC.match(spec)
    if match is None:
        raise ValueError(f"{spec} is no element; write r4.json anew")
    codes = _TABLE["codes"][match["codes"]] if match["codes"] else ()
    targets = match["targets"].split(",") if match["targets"] else ()
    return Element(
        match["type"],
        match["many"] is not None,
        frozenset(codes),
        frozenset(targets),
        match["base"] or "",
    )
