"""Everything that can be wrong with a received document: a code and what it means.

`Flags` collects what is found while a document is split. Many like findings become few sentences,
so that a document with a thousand faults stays readable.
"""

from __future__ import annotations

from typing import Final

from mappings.received.model import Flag

# What each code means to whoever reads it. The bytes as received are kept in every case.
CODES: Final = {
    "not-json": "It can't be read as JSON; only the bytes as received are kept.",
    "wrong-encoding": "It isn't plain UTF-8; it was read in the encoding that fits.",
    "encoded-twice": "The JSON stood inside a JSON text; it was unpacked.",
    "duplicate-name": "A JSON object has a name twice; the last value counts.",
    "too-large": "It has more values than are read; only the bytes as received are kept.",
    "too-deep": "It is nested deeper than is read; only the bytes as received are kept.",
    "too-many-entries": "It has more entries than are read; only the bytes as received are kept.",
    "not-fhir": "It, or a part of it, isn't a FHIR resource.",
    "not-a-document": "It isn't a Bundle of type document; its resources are stored all the same.",
    "no-composition": "It has no Composition, so nothing says what kind of document it is.",
    "several-compositions": "It has more than one Composition.",
    "composition-not-first": "The Composition isn't the first entry.",
    "nested-bundle": "A Bundle stood inside the Bundle; its resources are stored on their own.",
    "entry-without-resource": "An entry holds no resource.",
    "missing-full-url": "An entry has no fullUrl.",
    "relative-full-url": "An entry has a fullUrl that isn't absolute.",
    "id-missing": "A resource has no id.",
    "id-invalid": "A resource has an id that FHIR doesn't allow.",
    "duplicate-entry": "An entry stands there twice; it is stored once.",
    "conflicting-entries": "Entries share an identity and differ in content; each is stored.",
    "unknown-resource-type": "A resource is of a type that FHIR R4 doesn't know; it isn't stored.",
    "not-a-record": "A resource would steer a FHIR server instead of recording care; "
    "it isn't stored.",
    "unresolved-reference": "A reference leads to nothing in the document; it is kept as text.",
    "foreign-label": "A label that only this adapter may give was taken off.",
    "foreign-source": "A resource states a source of its own; it is kept beside the HIP's.",
    "empty-value": "An empty value, which FHIR forbids, was left out.",
    "empty-narrative": "A narrative says nothing.",
    "invalid-narrative": "A narrative isn't well-formed XHTML; it is kept as plain text.",
    "invalid-value": "A value isn't what FHIR allows at its place; it is kept as text.",
    "unknown-property": "A property isn't known to FHIR R4; only the bytes as received have it.",
    "unknown-modifier-extension": "A modifier extension, which may change a record's meaning, "
    "isn't understood; it is kept.",
    "checksum-mismatch": "The sender's checksum isn't that of what arrived.",
}
# So many sentences of one code are kept; the last one counts the rest.
MOST_OF_A_CODE: Final = 20


class Flags:
    """Collects flags in the order found; each sentence once."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, None]] = {}

    def add(self, code: str, sentence: str) -> None:
        """Note a finding under a code of `CODES`; KeyError for another code is a fault of ours."""
        CODES[code]
        self._found.setdefault(code, {})[sentence] = None

    def all(self) -> tuple[Flag, ...]:
        """What was found, by code in order of first appearance, cut at `MOST_OF_A_CODE` each."""
        flags = []
        for code, sentences in self._found.items():
            shown = list(sentences)[:MOST_OF_A_CODE]
            flags += [Flag(code, sentence) for sentence in shown]
            if len(sentences) > len(shown):
                more = len(sentences) - len(shown)
                flags.append(Flag(code, f"{more} more of these. {CODES[code]}"))
        return tuple(flags)
