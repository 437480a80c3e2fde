"""What reading one resource of a received document needs, passed along while it is read."""

from __future__ import annotations

from dataclasses import dataclass

from mappings.received.flags import Flags
from mappings.received.ids import Named, Names


@dataclass(frozen=True)
class Reader:
    """The resource, the names of all in its document, and where findings go.

    `forbidden`: texts of the document may hold characters that FHIR forbids.
    """

    named: Named
    names: Names
    flags: Flags
    forbidden: bool

    def add(self, code: str, path: str, words: str) -> None:
        """Note a finding at an element of this resource."""
        self.flags.add(code, f"{self.named.part.place}: {path} {words}")
