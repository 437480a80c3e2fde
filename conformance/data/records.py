"""Turns one visit into the resources a hospital system would write for it.

Pure. Each function below writes one kind of resource (``observations.py`` the measured ones);
``resources`` is the list of them all. The records of a visit entered in error say so themselves.
"""

import base64
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from conformance.data import dosage, scan
from conformance.data.bills import bills
from conformance.data.catalogue import Item, Resource, concept, hl7, row
from conformance.data.observations import reports, vitals
from conformance.data.people import check_keys
from conformance.data.visit import IST, TODAY, VISIT_KEYS, Visit, as_list, reference

CLASSES = {
    "AMB": "ambulatory",
    "EMER": "emergency",
    "IMP": "inpatient encounter",
    "VR": "virtual",
    "HH": "home health",
}


def _encounter(visit: Visit, diagnoses: list[Resource]) -> Resource:
    kind = visit.table.get("kind", "AMB")
    period = {"start": visit.start.isoformat()}
    if visit.end:
        period["end"] = visit.end.isoformat()
    discharge = visit.table.get("discharge")
    return visit.make(
        "Encounter",
        "enc",
        status=visit.status,
        **{"class": hl7("v3-ActCode", kind) | {"display": CLASSES[kind]}},
        subject=visit.patient,
        participant=[{"individual": doctor} for doctor in as_list(visit.doctor)],
        period=period,
        reasonCode=[{"text": visit.table["reason"]}] if "reason" in visit.table else [],
        diagnosis=[{"condition": reference(each)} for each in diagnoses],
        hospitalization={"dischargeDisposition": {"text": discharge}} if discharge else None,
        serviceProvider=visit.organization,
    )


def _conditions(visit: Visit) -> Iterator[Resource]:
    verification = "entered-in-error" if visit.in_error else "confirmed"
    for number, item in enumerate(visit.table.get("diagnoses", []), start=1):
        yield visit.make(
            "Condition",
            f"cond{number}",
            # con-5: a condition entered in error has no clinical status
            clinicalStatus=None
            if visit.in_error
            else {"coding": [hl7("condition-clinical", "active")]},
            verificationStatus={"coding": [hl7("condition-ver-status", verification)]},
            category=[{"coding": [hl7("condition-category", "encounter-diagnosis")]}],
            code=concept("conditions", item),
            subject=visit.patient,
            encounter=visit.encounter,
            recordedDate=visit.start.isoformat(),
            recorder=visit.doctor,
        )


def _prescription_status(visit: Visit, days: int | None) -> str:
    if visit.in_error:
        return "entered-in-error"
    over = days is not None and visit.start.date() + timedelta(days=days) < TODAY
    return "completed" if over else "active"


def _prescriptions(visit: Visit, diagnoses: list[Resource]) -> Iterator[Resource]:
    for number, line in enumerate(visit.table.get("drugs", []), start=1):
        drug: Item = line["drug"]
        unit = row("drugs", drug)["unit"] if isinstance(drug, str) else "dose"
        yield visit.make(
            "MedicationRequest",
            f"rx{number}",
            status=_prescription_status(visit, line.get("days")),
            intent="order",
            medicationCodeableConcept=concept("drugs", drug),
            subject=visit.patient,
            encounter=visit.encounter,
            authoredOn=visit.start.isoformat(),
            requester=visit.doctor,
            reasonReference=[reference(each) for each in diagnoses[:1]],
            dosageInstruction=[dosage.instruction(line, unit)],
        )


def _procedures_and_orders(visit: Visit) -> Iterator[Resource]:
    for number, item in enumerate(visit.table.get("procedures", []), start=1):
        yield visit.make(
            "Procedure",
            f"proc{number}",
            status="entered-in-error" if visit.in_error else "completed",
            code=concept("procedures", item),
            subject=visit.patient,
            encounter=visit.encounter,
            performedDateTime=visit.start.isoformat(),
            performer=[{"actor": doctor} for doctor in as_list(visit.doctor)],
        )
    for number, order in enumerate(visit.table.get("orders", []), start=1):
        yield visit.make(
            "ServiceRequest",
            f"order{number}",
            status="entered-in-error" if visit.in_error else "active",
            intent="order",
            code=concept("panels", order),
            subject=visit.patient,
            encounter=visit.encounter,
            authoredOn=visit.start.isoformat(),
            requester=visit.doctor,
        )


def _immunizations(visit: Visit) -> Iterator[Resource]:
    for number, given in enumerate(visit.table.get("vaccines", []), start=1):
        yield visit.make(
            "Immunization",
            f"imm{number}",
            status="entered-in-error" if visit.in_error else "completed",
            vaccineCode=concept("vaccines", given["vaccine"]),
            patient=visit.patient,
            encounter=visit.encounter,
            occurrenceDateTime=visit.start.date().isoformat(),
            primarySource=True,
            lotNumber=given.get("lot"),
            performer=[
                {"actor": actor} for actor in as_list(visit.organization) + as_list(visit.doctor)
            ],
            protocolApplied=[{"doseNumberPositiveInt": given["dose"]}] if "dose" in given else [],
        )
    if "due" in visit.table:
        yield visit.make(
            "ImmunizationRecommendation",
            "next-dose",
            patient=visit.patient,
            date=visit.start.date().isoformat(),
            recommendation=[
                {
                    "vaccineCode": [concept("vaccines", due["vaccine"])],
                    "forecastStatus": {"text": "due"},
                    "dateCriterion": [
                        {"code": {"text": "Date vaccine due"}, "value": due["on"].isoformat()}
                    ],
                    "supportingImmunization": [{"reference": f"Immunization/imm1-{visit.key}"}],
                }
                for due in visit.table["due"]
            ],
        )


def _plans(visit: Visit, diagnoses: list[Resource]) -> Iterator[Resource]:
    if "advice" in visit.table:
        yield visit.make(
            "CarePlan",
            "plan",
            status="entered-in-error" if visit.in_error else "active",
            intent="plan",
            title="Advice",
            description=visit.table["advice"],
            subject=visit.patient,
            encounter=visit.encounter,
            created=visit.start.isoformat(),
            author=visit.doctor,
        )
    if "follow_up" in visit.table:
        due: date = visit.table["follow_up"]
        begins = datetime(due.year, due.month, due.day, 10, tzinfo=IST)
        kept = "fulfilled" if due in visit.days_seen else "noshow"
        actors = [visit.patient, *as_list(visit.doctor)]
        yield visit.make(
            "Appointment",
            "appt",
            status="booked" if due > TODAY else kept,
            description="Follow-up",
            reasonReference=[reference(each) for each in diagnoses[:1]],
            start=begins.isoformat(),
            end=(begins + timedelta(minutes=15)).isoformat(),
            participant=[{"actor": actor, "status": "accepted"} for actor in actors],
        )


def _documents(visit: Visit) -> Iterator[Resource]:
    """Yield notes and scans as DocumentReference; a scan marked ``binary`` keeps its bytes in a
    Binary of its own, as systems with a file store write it."""
    files = [
        ("Clinical note", "text/plain;charset=utf-8", visit.table.get("note", "").encode(), False)
    ]
    files += [
        (each["title"], "application/pdf", scan.pdf(each["lines"]), each.get("binary", False))
        for each in visit.table.get("scans", [])
    ]
    for number, (title, media_type, content, apart) in enumerate(files):
        if not content:
            continue
        data = base64.b64encode(content).decode()
        attachment = {
            "contentType": media_type,
            "title": title,
            "creation": visit.start.isoformat(),
        }
        if apart:
            binary = visit.make("Binary", f"file{number}", contentType=media_type, data=data)
            yield binary
            attachment["url"] = reference(binary)["reference"]
        else:
            attachment["data"] = data
        yield visit.make(
            "DocumentReference",
            f"doc{number}",
            status="entered-in-error" if visit.in_error else "current",
            type={"text": title},
            subject=visit.patient,
            date=visit.start.isoformat(),
            author=as_list(visit.doctor),
            custodian=visit.organization,
            content=[{"attachment": attachment}],
            context={"encounter": as_list(visit.encounter)} if visit.encounter else None,
        )


def resources(visit: Visit) -> Iterator[Resource]:
    """Yield everything written for one visit, the Encounter first (unless it has none).

    Raises:
        ValueError: the table has an unknown key, or names something the catalogue lacks.
    """
    check_keys(visit.table, VISIT_KEYS, f"visit {visit.key}")
    diagnoses = list(_conditions(visit))
    if visit.encounter:
        yield _encounter(visit, diagnoses)
    yield from diagnoses
    yield from vitals(visit)
    yield from reports(visit)
    yield from _prescriptions(visit, diagnoses)
    yield from _procedures_and_orders(visit)
    yield from _immunizations(visit)
    yield from _plans(visit, diagnoses)
    yield from _documents(visit)
    yield from bills(visit)
