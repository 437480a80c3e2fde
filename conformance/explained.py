"""The warnings that a correct ABDM document may have, and why each stays.

A kind is recognised by a part of the validator's message. What is in no row is "unexplained" and
wants a look.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """One kind of warning: a part of its message, a name for tables, and the reason."""

    part: str
    kind: str
    why: str


_LICENSED = (
    "SNOMED CT, LOINC, ICD-10 and DICOM's tables are licensed or not part of the guide, so the "
    "server doesn't have them; a hospital's own codes are known to nobody else. Codes are passed "
    "on as recorded."
)
_PREFERRED = (
    "The value set is extensible and holds a selection; the hospital recorded another code, and "
    "codes are not replaced. NRCeS's own identifier types (ABHA, HPR, HFR) are outside HL7's set."
)

EXPLAINED: tuple[Explained, ...] = (
    *(
        Explained(part, "code system or value set not on the server", _LICENSED)
        for part in (
            "CodeSystem is unknown and can't be validated",
            "The code cannot be checked because codeSystem",
            "Unable to expand ValueSet",
            "No codes in ValueSet belong to CodeSystem with URL",
            "' not found",
        )
    ),
    *(
        Explained(part, "code outside the guide's or HL7's selection", _PREFERRED)
        for part in (
            "None of the codings provided are in the value set",
            "Code validation occurred using a ValueSet expansion",
        )
    ),
    Explained(
        "Best Practice Recommendation: In general, all observations should have",
        "observation without performer, time or subject",
        "The hospital's record doesn't say who measured, or when; nothing is invented.",
    ),
    Explained(
        "No code provided, and a code should be provided from the value set",
        "words where a code is preferred",
        "The hospital's record has words there; no code is invented.",
    ),
    Explained(
        "A code with no system has no defined meaning",
        "code without a system",
        "The hospital's record says no more; no system is invented.",
    ),
    Explained(
        "does not match expected",
        "another display for a code",
        "The hospital's own words for a code are kept, since they are what its doctors chose.",
    ),
    Explained(
        "UCUM Codes that contain human readable annotations",
        "UCUM code with an annotation",
        "Recorded so; only the guide's own examples have such units.",
    ),
    Explained(
        "value should not start or finish with whitespace",
        "text with space around it",
        "Notes are kept exactly as written.",
    ),
    Explained(
        "appears to be an embedded HTML tag",
        "text that looks like HTML",
        "Notes are kept exactly as written; narratives escape them.",
    ),
)


def explanation(message: str) -> Explained | None:
    """The row that a warning belongs to; None if it is unexplained."""
    return next((row for row in EXPLAINED if row.part in message), None)
