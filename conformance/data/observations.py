"""What was measured or found on a visit: vital signs, findings in words, laboratory and imaging.

Pure. Yields Observation and DiagnosticReport.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from conformance.data.catalogue import SYSTEMS, Resource, concept, hl7, row, tables
from conformance.data.visit import Visit, as_list, reference

_BP = (("Systolic blood pressure", "8480-6"), ("Diastolic blood pressure", "8462-4"))


def _observation(visit: Visit, name: str, category: str, **elements: Any) -> Resource:
    return visit.make(
        "Observation",
        name,
        status="entered-in-error" if visit.in_error else "final",
        category=[{"coding": [hl7("observation-category", category)]}],
        subject=visit.patient,
        encounter=visit.encounter,
        effectiveDateTime=visit.start.isoformat(),
        performer=as_list(visit.doctor) or as_list(visit.organization),
        **elements,
    )


def _quantity(value: float, unit: str, shown: str = "") -> Resource:
    system = "http://unitsofmeasure.org"
    return {"value": value, "unit": shown or unit, "system": system, "code": unit}


def vitals(visit: Visit) -> Iterator[Resource]:
    """Yield vital signs (BMI computed) and findings in words.

    Raises:
        ValueError: the catalogue doesn't have one of them.
    """
    measured = dict(visit.table.get("vitals", {}))
    if "weight" in measured and "height" in measured:
        measured["bmi"] = round(measured["weight"] / (measured["height"] / 100) ** 2, 1)
    for key, value in measured.items():
        found = row("vitals", key)
        code = concept("vitals", key)
        if key == "bp":
            parts = zip(_BP, str(value).split("/"), strict=True)
            component = [
                {
                    "code": {
                        "coding": [{"system": SYSTEMS["loinc"], "code": loinc, "display": text}]
                    },
                    "valueQuantity": _quantity(int(part), "mm[Hg]", "mmHg"),
                }
                for (text, loinc), part in parts
            ]
            yield _observation(visit, key, "vital-signs", code=code, component=component)
        else:
            quantity = _quantity(value, found["unit"], found["shown"])
            yield _observation(visit, key, "vital-signs", code=code, valueQuantity=quantity)
    for key in tables()["narratives"]:
        if key in visit.table:
            text = visit.table[key].strip()
            yield _observation(
                visit, key, "exam", code=concept("narratives", key), valueString=text
            )


def _result(visit: Visit, name: str, key: str, value: float | str) -> Resource:
    code = concept("labs", key)
    if isinstance(value, str):
        return _observation(
            visit, name, "laboratory", code=code, valueCodeableConcept={"text": value}
        )
    found = row("labs", key)
    limits = {
        limit: _quantity(found[limit], found["unit"]) for limit in ("low", "high") if limit in found
    }
    flag = (
        "L" if value < found.get("low", value) else "H" if value > found.get("high", value) else "N"
    )
    return _observation(
        visit,
        name,
        "laboratory",
        code=code,
        valueQuantity=_quantity(value, found["unit"]),
        interpretation=[{"coding": [hl7("v3-ObservationInterpretation", flag)]}],
        referenceRange=[limits],
    )


def reports(visit: Visit) -> Iterator[Resource]:
    """Yield for each report its results, then the DiagnosticReport.

    A report's keys other than ``panel`` and ``conclusion`` are laboratory tests; imaging has a
    conclusion and no results.

    Raises:
        ValueError: the catalogue doesn't have the panel or a test.
    """
    for number, report in enumerate(visit.table.get("reports", []), start=1):
        panel, conclusion = report["panel"], report.get("conclusion")
        values = {key: value for key, value in report.items() if key not in ("panel", "conclusion")}
        results = [
            _result(visit, f"lab{number}-{key}", key, value) for key, value in values.items()
        ]
        yield from results
        imaging = row("panels", panel).get("imaging", False)
        yield visit.make(
            "DiagnosticReport",
            f"report{number}",
            status="entered-in-error" if visit.in_error else "final",
            category=[{"coding": [hl7("v2-0074", "RAD" if imaging else "LAB")]}],
            code=concept("panels", panel),
            subject=visit.patient,
            encounter=visit.encounter,
            effectiveDateTime=visit.start.isoformat(),
            issued=(visit.start + timedelta(hours=4)).isoformat(),
            performer=as_list(visit.organization),
            resultsInterpreter=as_list(visit.doctor),
            result=[reference(each) for each in results],
            conclusion=conclusion,
        )
