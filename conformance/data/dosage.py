"""Reads a line of a prescription as Indian doctors write it: "1-0-1 after food for 30 days".

Pure. The line is a table with ``dose``, and where they apply ``meal`` ("after food"), ``days`` and
``hi`` (the same for the patient in Hindi). ``dose`` is morning-noon-night counts, "SOS" (when
needed), "weekly", or any text, which is then passed on as text without a timing.
"""

import re
from collections.abc import Mapping
from typing import Any

_COUNTS = re.compile(r"[0-9.]+(-[0-9.]+){2}")
_TIMES = (("MORN", "morning"), ("NOON", "noon"), ("NIGHT", "night"))


def instruction(line: Mapping[str, Any], unit: str) -> dict[str, Any]:
    """Return the Dosage of one prescription line.

    Args:
        line: ``dose`` and, if given, ``meal``, ``days``, ``hi``.
        unit: what is counted, for example "tablet".
    """
    dose, days, meal = line["dose"], line.get("days"), line.get("meal")
    repeat: dict[str, Any] = {}
    result: dict[str, Any] = {}
    words = dose
    if _COUNTS.fullmatch(dose):
        counts = [float(count) for count in dose.split("-")]
        taken = [(count, *time) for count, time in zip(counts, _TIMES, strict=True) if count]
        words = ", ".join(f"{count:g} {unit} {name}" for count, _, name in taken)
        repeat = {"frequency": len(taken), "period": 1, "periodUnit": "d"}
        repeat["when"] = [code for _, code, _ in taken]
        if len({count for count, _, _ in taken}) == 1:  # else one quantity can't say it
            result["doseAndRate"] = [{"doseQuantity": {"value": taken[0][0], "unit": unit}}]
    elif dose == "weekly":
        words = f"1 {unit} once a week"
        repeat = {"frequency": 1, "period": 1, "periodUnit": "wk"}
    elif dose == "SOS":
        words = f"1 {unit} when needed"
        result["asNeededBoolean"] = True
    if days:
        repeat["boundsDuration"] = {
            "value": days,
            "unit": "days",
            "system": "http://unitsofmeasure.org",
            "code": "d",
        }
    if repeat:
        result["timing"] = {"repeat": repeat}
    text = ", ".join(part for part in (words, meal, f"for {days} days" if days else "") if part)
    if "hi" in line:
        result["patientInstruction"] = line["hi"]
    return {"text": text} | result
