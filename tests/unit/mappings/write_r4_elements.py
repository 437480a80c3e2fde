"""Writes `mappings/received/r4.json`: FHIR R4's elements, as `mappings.received.elements` reads it.

    python -m tests.unit.mappings.write_r4_elements JAR

JAR is HAPI's `hapi-fhir-validation-resources-r4`, which `make setup` puts into
`fhir-server/target/lib`; it holds HL7's own definitions (profiles and schema of R4 4.0.1).
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

TARGET = Path("mappings/received/r4.json")
FHIR = "{http://hl7.org/fhir}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
BINDING_NAME = DEFINITION + "elementdefinition-bindingName"
FHIR_TYPE = DEFINITION + "structuredefinition-fhir-type"
FOLDER = "org/hl7/fhir/r4/model/"
INHERITED = "DomainResource"
# A code system of HL7 v3, which the jar's value sets lack.
CONFIDENTIALITY = "http://terminology.hl7.org/ValueSet/v3-ConfidentialityClassification"


def main(jar: str) -> None:
    """Read the definitions from the jar and write the table."""
    with zipfile.ZipFile(jar) as archive:
        schema = ElementTree.fromstring(archive.read(FOLDER + "schema/fhir-single.xsd"))
        roots = [
            ElementTree.fromstring(archive.read(f"{FOLDER}profile/profiles-{name}.xml"))
            for name in ("types", "resources")
        ]
        values = ElementTree.fromstring(archive.read(FOLDER + "valueset/valuesets.xml"))
    lists = {**value_sets(values), **code_lists(schema), CONFIDENTIALITY: list("ULMNRV")}
    used: dict[str, list[str]] = {}
    types: dict[str, dict[str, str]] = {}
    resources = []
    for root in roots:
        for definition in root.iter(f"{FHIR}StructureDefinition"):
            name, kind = value(definition, "type"), value(definition, "kind")
            if value(definition, "derivation") == "constraint" or kind == "primitive-type":
                continue
            add(definition, name, types, lists, used)
            if kind == "resource" and value(definition, "abstract") != "true":
                resources.append(name)
    for name in resources:
        types[name] = {k: v for k, v in types[name].items() if types[INHERITED].get(k) != v}
    lines = [f" {json.dumps(k)}: {compact(v)}" for k, v in sorted(types.items())]
    codes = [f" {json.dumps(k)}: {compact(v)}" for k, v in sorted(used.items())]
    TARGET.write_text(
        f'{{"resources": {compact(sorted(resources))},\n'
        '"types": {\n' + ",\n".join(lines) + '\n},\n"codes": {\n' + ",\n".join(codes) + "\n}}\n"
    )


def compact(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))


def value(element: ElementTree.Element, *path: str) -> str:
    found = element.find("/".join(FHIR + p for p in path))
    return "" if found is None else found.get("value", "")


def code_lists(schema: ElementTree.Element) -> dict[str, list[str]]:
    """The codes of every enumeration of the schema, by name."""
    found = {}
    for simple in schema.iter(f"{XSD}simpleType"):
        name = simple.get("name", "")
        codes = [e.get("value", "") for e in simple.iter(f"{XSD}enumeration")]
        if name.endswith("-list") and codes:
            found[name.removesuffix("-list")] = codes
    return found


def value_sets(root: ElementTree.Element) -> dict[str, list[str]]:
    """The codes of every value set that lists them or takes whole code systems, by URL."""
    systems = {
        value(system, "url"): [value(c, "code") for c in system.iter(f"{FHIR}concept")]
        for system in root.iter(f"{FHIR}CodeSystem")
        if value(system, "content") == "complete"
    }
    found = {}
    for each in root.iter(f"{FHIR}ValueSet"):
        codes: list[str] = []
        for include in each.findall(f"{FHIR}compose/{FHIR}include"):
            listed = [value(c, "code") for c in include.findall(f"{FHIR}concept")]
            whole = systems.get(value(include, "system"), [])
            if include.find(f"{FHIR}filter") is not None or not (listed or whole):
                break
            codes += listed or whole
        else:
            if codes and each.find(f"{FHIR}compose/{FHIR}exclude") is None:
                found[value(each, "url")] = codes
    return found


def add(
    definition: ElementTree.Element,
    name: str,
    types: dict[str, dict[str, str]],
    lists: dict[str, list[str]],
    used: dict[str, list[str]],
) -> None:
    """The elements of one type and of its inner (backbone) types."""
    types.setdefault(name, {})
    elements = definition.findall(f"{FHIR}snapshot/{FHIR}element")
    for element in elements[1:]:
        path = value(element, "path")
        owner, _, last = path.rpartition(".")
        many = "" if value(element, "base", "max") in ("0", "1") else "*"
        reference = value(element, "contentReference")
        if reference:
            types.setdefault(owner, {})[last] = reference.lstrip("#") + many
            continue
        found = {}
        for each in element.findall(f"{FHIR}type"):
            kind = value(each, "code")
            told = [e for e in each.findall(f"{FHIR}extension") if e.get("url") == FHIR_TYPE]
            if told:
                kind = value(told[0], "valueUrl") or value(told[0], "valueUri")
            kind = kind.rsplit("/", 1)[-1]
            if kind in ("BackboneElement", "Element") and last != "extension":
                kind = path
                types.setdefault(path, {})
            if kind == "Reference":
                targets = [
                    t.get("value", "").removeprefix(DEFINITION)
                    for t in each.findall(f"{FHIR}targetProfile")
                ]
                if targets and "Resource" not in targets:
                    kind += f"({','.join(targets)})"
            if kind == "code":
                kind += binding(element, lists, used)
            found[value(each, "code").rsplit("/", 1)[-1]] = kind
        if last.endswith("[x]"):
            base = last.removesuffix("[x]")
            for code, kind in found.items():
                types.setdefault(owner, {})[base + code[0].upper() + code[1:]] = f"{kind}@{base}"
        else:
            types.setdefault(owner, {})[last] = next(iter(found.values())) + many


def binding(
    element: ElementTree.Element, lists: dict[str, list[str]], used: dict[str, list[str]]
) -> str:
    if value(element, "binding", "strength") != "required":
        return ""
    for extension in element.findall(f"{FHIR}binding/{FHIR}extension"):
        name = value(extension, "valueString")
        if extension.get("url") == BINDING_NAME and name in lists:
            used[name] = lists[name]
            return f"={name}"
    url = value(element, "binding", "valueSet").split("|")[0]
    if url in lists:
        name = "".join(part.title() for part in url.rsplit("/", 1)[-1].split("-"))
        used[name] = lists[url]
        return f"={name}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1])
