"""Immunizations and recommendations as R4 and the NRCeS profiles want them. Pure."""

from __future__ import annotations

from mappings.documents.dates import parsed
from mappings.documents.profiles import Context, absent
from mappings.resources import Resource, as_list


def dated(immunization: Resource, root: Resource) -> Resource:
    """A dose with its date, if one follows from the records; else as it is.

    The profile takes nothing but a date: the one that the hospital wrote as words, or the day of
    the visit that the dose was given in, where nothing at all is written.
    """
    if immunization.get("occurrenceDateTime"):
        return immunization
    words = immunization.get("occurrenceString")
    if isinstance(words, str) and words:
        rest = {k: v for k, v in immunization.items() if k != "occurrenceString"}
        return {**rest, "occurrenceDateTime": words} if parsed(words) else immunization
    start = (root.get("period") or {}).get("start") if root["resourceType"] == "Encounter" else ""
    if not isinstance(start, str) or not parsed(start):
        return immunization
    return {**immunization, "occurrenceDateTime": start[:10]}


def fit_immunization(immunization: Resource, _context: Context) -> None:
    """A dose number in each protocol, in place."""
    for protocol in as_list(immunization.get("protocolApplied")):
        if not any(name.startswith("doseNumber") for name in protocol):
            protocol["doseNumberString"] = "Not recorded"


def fit_recommendation(recommendation: Resource, _context: Context) -> None:
    """A forecast status in each recommendation, and whole date criteria only, in place."""
    for each in as_list(recommendation.get("recommendation")):
        if not each.get("forecastStatus"):
            each["forecastStatus"] = absent("Not recorded")
        if not (each.get("vaccineCode") or each.get("targetDisease")):
            each["vaccineCode"] = [absent("Not recorded")]
        for criterion in as_list(each.get("dateCriterion")):
            if not criterion.get("code"):
                criterion["code"] = absent("Not recorded")
            if not criterion.get("value"):
                criterion["_value"] = absent()
