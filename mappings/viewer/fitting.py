"""One record as the viewer `hi-profiles` 2.2.0 shows it rightly.

Left to itself it stops where a reference that it follows leads nowhere, or there is none
(`Immunization.manufacturer`); it shows a quantity without its comparator, a range without its end,
a dosage without its timing, and a role or a device by no name. Here values and dosages become text,
and what it names beside a record becomes that name. Pure; changes no record that it is given.
"""

from __future__ import annotations

from typing import Any, Final

from mappings.resources import Resource, as_list, concept_text, label
from mappings.value_text import date_text, dosage_text, value_text
from mappings.viewer.rows import NO_FILE, Row

#: The address of an attachment that cannot be opened: the list on the page.
LISTED: Final = "#not-shown"

# What the viewer writes beside a record, by the property that refers to it.
_NAMED: Final = frozenset(
    {
        "actor",
        "author",
        "condition",
        "encounter",
        "manufacturer",
        "medicationReference",
        "performer",
        "reasonReference",
        "resultsInterpreter",
    }
)

_REFERENCE: Final = frozenset({"reference", "type", "identifier", "display", "id", "extension"})


def target(reference: Any) -> str:
    """What a Reference literally refers to; "" if it doesn't."""
    return str(reference.get("reference") or "") if isinstance(reference, dict) else ""


class Fitting:
    """The records of one document, fitted one by one.

    `used`: names of those that stand within another now. `missing`: files that are not there.
    """

    def __init__(self, records: dict[str, Resource]) -> None:
        self._records = records
        self._names: dict[str, str] = {}
        self.used: set[str] = set()
        self.missing: list[Row] = []

    def fitted(self, record: Resource) -> Resource:
        """The record for the viewer."""
        left_out = ("contained", "extension", "meta", "text")
        plain = {name: value for name, value in record.items() if name not in left_out}
        given: Resource = self._with_names(plain, record)
        kind = given["resourceType"]
        if kind == "Observation":
            _write_values(given)
        elif kind == "MedicationRequest":
            for dosage in as_list(given.get("dosageInstruction")):
                dosage["text"] = dosage_text(dosage)
        elif kind == "Immunization":
            given.setdefault("manufacturer", self._name(""))
        elif kind == "Procedure":
            for performer in as_list(given.get("performer")):
                performer.setdefault("actor", self._name(""))
        elif kind == "DocumentReference":
            for content in given.setdefault("content", []):
                content["attachment"] = self._file(content.get("attachment") or {})
        elif kind == "DiagnosticReport" and "presentedForm" in given:
            given["presentedForm"] = [self._file(each) for each in given["presentedForm"]]
        return given

    def named(self) -> dict[str, Resource]:
        """What the names in the fitted records refer to: as a person, an organisation and a coded
        thing alike."""
        return {
            url: {"resourceType": "Organization", "name": text, "code": {"text": text}}
            for text, url in self._names.items()
        }

    def _with_names(self, value: Any, owner: Resource, name: str = "") -> Any:
        if isinstance(value, list):
            return [self._with_names(each, owner, name) for each in value]
        if not isinstance(value, dict):
            return value
        if name in _NAMED and _REFERENCE.issuperset(inner.lstrip("_") for inner in value):
            return self._name(self._called(value, owner, name))
        return {inner: self._with_names(each, owner, inner) for inner, each in value.items()}

    def _called(self, reference: Resource, owner: Resource, name: str) -> str:
        """What that which is referred to is called; "" if nobody says."""
        wanted = target(reference)
        found = self._records.get(wanted)
        if wanted.startswith("#"):
            contained = as_list(owner.get("contained"))
            found = next((each for each in contained if f"#{each.get('id')}" == wanted), None)
        elif found and name == "medicationReference":
            self.used.add(wanted)
        called = label(found) if found else ""
        if not found or called == found["resourceType"]:
            called = str(reference.get("display") or "")
        return called

    def _name(self, text: str) -> Resource:
        url = self._names.setdefault(text, f"urn:abdm-adapter:named:{len(self._names)}")
        return {"reference": url, "display": text}

    def _file(self, attachment: Resource) -> Resource:
        """An attachment with its content, wherever the document has it."""
        url = str(attachment.get("url") or "")
        binary = self._records.get(url)
        if "data" not in attachment and binary and binary.get("data"):
            self.used.add(url)
            stated = {"contentType": binary.get("contentType"), **attachment}
            attachment = {**stated, "data": binary["data"]}
        if attachment.get("data"):
            return {name: value for name, value in attachment.items() if name != "url"}
        if url.startswith(("https://", "http://")):
            return attachment
        title = str(attachment.get("title") or attachment.get("contentType") or "File")
        date = date_text(attachment.get("creation"))
        self.missing.append(Row("File", title, date, NO_FILE))
        return {**attachment, "url": LISTED}


def _write_values(observation: Resource) -> None:
    """Values and interpretations as text, which the viewer prefers and leaves as it is."""
    for each in (observation, *as_list(observation.get("component"))):
        text = value_text(each)
        if text or "valueQuantity" in each:
            each["valueString"] = text
    meanings = [concept_text(each) for each in as_list(observation.get("interpretation"))]
    if any(meanings):
        observation["interpretation"] = [{"text": ", ".join(filter(None, meanings))}]
