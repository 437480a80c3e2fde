"""DiagnosticReports and Specimens as the NRCeS profiles want them.

Both report profiles want an interpreter and a conclusion, the laboratory one a result, the imaging
one an image. What a hospital's report doesn't have is marked as absent in words. Pure.
"""

from __future__ import annotations

from typing import Any

from mappings.documents.profiles import Context, absent, absent_reference
from mappings.documents.report_kind import IMAGING
from mappings.resources import Resource, as_list, concept_text
from mappings.systems import profile


def fit_report(report: Resource, _context: Context) -> None:
    """Complete a report's own copy, in place; its profile is claimed already."""
    if not report.get("resultsInterpreter"):
        # Who is responsible for issuing the report, if nobody is named for its conclusions.
        performers = as_list(report.get("performer"))
        report["resultsInterpreter"] = [dict(p) for p in performers] or [
            absent_reference("Interpreter not recorded")
        ]
    if not report.get("conclusion"):
        words = "; ".join(filter(None, map(concept_text, as_list(report.get("conclusionCode")))))
        if words:
            report["conclusion"] = words
        else:
            report.pop("conclusion", None)
            report["_conclusion"] = absent()
    if profile(IMAGING) in report["meta"]["profile"]:
        if not report.get("media"):
            report["media"] = [{"link": absent_reference("No image with this report")}]
    elif not report.get("result"):
        report["result"] = [absent_reference("No separate results with this report")]


def fit_specimen(specimen: Resource, _context: Context) -> None:
    """The time of collection as a dateTime, and a time of receipt, in place."""
    if not specimen.get("receivedTime"):
        specimen["_receivedTime"] = absent()
    collection = specimen.get("collection")
    if not isinstance(collection, dict) or collection.get("collectedDateTime"):
        return
    period: dict[str, Any] = collection.pop("collectedPeriod", None) or {}
    start = period.get("start") or period.get("end")
    if start:
        collection["collectedDateTime"] = start
    else:
        collection["_collectedDateTime"] = absent()
