"""Visits of a hospital that doesn't exist, by the hundred: what `make conformance` builds from.

    for visit in generate(500):
        visit.name, visit.resources

Seeded: the same number and seed give the same records, and a visit doesn't depend on how many there
are. The first ones are the awkward cases by name, the others mixtures; each fifth is a record that
belongs to no visit. Knows nothing of the mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from conformance.generator.groups import GROUPS, file, people
from conformance.generator.records import (
    ACT_CODE,
    HL7,
    MAKERS,
    WORDS,
    condition,
    measurement,
    prescription,
)
from conformance.generator.scene import LOCAL, Draw, Resource, Scene, record

SEED = 65


@dataclass(frozen=True)
class GeneratedVisit:
    """One care context's records, its root first; `name` says what is awkward about it."""

    name: str
    resources: tuple[Resource, ...]


def generate(count: int, seed: int = SEED) -> Iterator[GeneratedVisit]:
    """`count` visits: every awkward one, then mixtures."""
    for index in range(count):
        draw = Draw(f"{seed}/{index}")
        name = f"gen-{index}"
        if index < len(AWKWARD):
            kind = list(AWKWARD)[index]
            yield GeneratedVisit(f"{name} {kind}", _read(AWKWARD[kind](draw, name)))
        elif index % 5 == 0:
            yield GeneratedVisit(f"{name} stands alone", _read(_alone(draw, name)))
        else:
            yield GeneratedVisit(f"{name} mixture", _read(_mixture(draw, name)))


def _read(made: list[Resource]) -> tuple[Resource, ...]:
    """The records as a FHIR server gives them back: with version and time of writing."""
    meta = {"versionId": "1", "lastUpdated": "2026-11-20T06:00:00.000+00:00"}
    return tuple({**each, "meta": {**meta, **each.get("meta", {})}} for each in made)


def _scene(
    draw: Draw, name: str, *, doctor: bool = True, bare: bool = False
) -> tuple[Scene, list[Resource]]:
    """A visit without records: who, where, when."""
    patient, facility = people(name, draw, bare=bare)
    made = [patient, facility]
    who = None
    if doctor:
        doctor_record = record(
            "Practitioner",
            f"{name}-doc",
            identifier=draw.maybe([{"system": LOCAL, "value": "D-1"}]),
            name=draw.pick(([{"text": "Dr Meera Nair"}], [{"family": "Nair"}], None)),
            qualification=draw.maybe([{"code": {"text": "MBBS"}}], 0.3),
        )
        made.append(doctor_record)
        who = f"Practitioner/{doctor_record['id']}"
        if draw.chance(0.2):
            role = record(
                "PractitionerRole",
                f"{name}-role",
                practitioner={"reference": who},
                organization={"reference": f"Organization/{facility['id']}"},
                code=[{"text": "Consultant"}],
            )
            made.append(role)
            who = f"PractitionerRole/{role['id']}"
    scene = Scene(
        draw=draw,
        name=name,
        day=f"2026-{draw.number(1, 11):02d}-{draw.number(1, 28):02d}",
        patient=f"Patient/{patient['id']}",
        encounter=f"Encounter/{name}",
        doctor=who,
        facility=f"Organization/{facility['id']}",
    )
    return scene, made


_CLASSES = (
    ("AMB", "ambulatory"),
    ("IMP", "inpatient encounter"),
    ("EMER", "emergency"),
    ("VR", "virtual"),
)


def _encounter(scene: Scene, **changes: object) -> Resource:
    """The visit itself."""
    draw = scene.draw
    code, display = draw.pick(_CLASSES)
    stay = code == "IMP"
    start = f"{scene.day}T09:30:00+05:30"
    end = draw.maybe(f"{scene.day}T18:00:00+05:30", 0.7)
    kind = {"coding": [{"system": ACT_CODE, "code": code, "display": display}]}
    home = {"coding": [{"system": f"{HL7}discharge-disposition", "code": "home"}], "text": "Home"}
    made: dict[str, object] = {
        "status": draw.pick(("finished", "finished", "in-progress")),
        "class": draw.pick(
            (
                {"system": ACT_CODE, "code": code, "display": display},
                {"system": ACT_CODE, "code": code},
            )
        ),
        "type": draw.maybe([kind], 0.4),
        "subject": scene.refer(scene.patient),
        "participant": [{"individual": scene.refer(scene.doctor, "Dr")}] if scene.doctor else None,
        "period": draw.maybe({"start": start, **({"end": end} if end else {})}, 0.95),
        "reasonCode": draw.maybe([{"text": draw.pick(WORDS)}], 0.5),
        "hospitalization": draw.maybe({"dischargeDisposition": home}, 0.7) if stay else None,
        "serviceProvider": scene.refer(scene.facility),
        **changes,
    }
    return record("Encounter", scene.name, **made)


def _mixture(draw: Draw, name: str) -> list[Resource]:
    """An ordinary visit of this hospital: some of everything."""
    scene, made = _scene(draw, name, doctor=draw.chance(0.8))
    made.insert(0, _encounter(scene))
    for maker, most in MAKERS:
        made += [maker(scene, n) for n in range(draw.number(0, most))]
    for group in GROUPS:
        if draw.chance(0.35):
            made += group(scene, 0)
    return made


def _alone(draw: Draw, name: str) -> list[Resource]:
    """A report, dose, bill, file or measurement that belongs to no visit."""
    scene, made = _scene(draw, name, doctor=draw.chance(0.7))
    scene = replace(scene, encounter=None)
    group = draw.pick((*GROUPS, None))
    found = group(scene, 0) if group else [measurement(scene, n) for n in range(3)]
    facility = {"reference": scene.facility}
    if found[0]["resourceType"] == "DocumentReference":
        found[0]["custodian"] = facility
    return [*found, *made]


def _empty(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name)
    return [_encounter(scene, reasonCode=None), *made]


def _sparse(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name, doctor=False, bare=True)
    nothing = dict.fromkeys(("class", "type", "status", "period", "participant", "reasonCode"))
    return [_encounter(scene, **nothing), *made, condition(scene, 0), prescription(scene, 0)]


def _no_practitioner(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name, doctor=False)
    return [_encounter(scene), *made, *(prescription(scene, n) for n in range(3))]


def _no_codes(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name)
    made += [maker(scene, n) for maker, most in MAKERS for n in range(most)]
    for group in GROUPS:
        made += group(scene, 0)
    return [_encounter(scene), *map(_without_codings, made)]


def _without_codings(value: Resource) -> Resource:
    """The same record with words in place of codes."""

    def plain(each: object) -> object:
        if isinstance(each, list):
            return [plain(item) for item in each]
        if not isinstance(each, dict):
            return each
        if "coding" in each:
            words = each.get("text") or next(
                (c["display"] for c in each["coding"] if "display" in c), "Not coded"
            )
            # Statuses are codes of FHIR's own lists; there is no status in words.
            own = any(str(c.get("system", "")).startswith(HL7) for c in each["coding"])
            return each if own else {"text": words}
        return {k: plain(v) for k, v in each.items()}

    return {k: plain(v) for k, v in value.items()}


def _long_notes(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name)
    note = 'लंबा नोट <&> with "quotes"\n' * 5000
    said = {**condition(scene, 0), "note": [{"text": note}], "code": {"text": note[:2000]}}
    told = {**measurement(scene, 0), "code": {"text": "Progress note"}}
    told = {k: v for k, v in told.items() if not k.startswith("value")} | {"valueString": note}
    return [_encounter(scene, reasonCode=[{"text": note[:5000]}]), *made, said, told]


def _hundred_medicines(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name)
    return [_encounter(scene), *made, *(prescription(scene, n) for n in range(100))]


def _large_file(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name)
    return [_encounter(scene), *made, *file(scene, 0, large=True)]


def _everything(draw: Draw, name: str) -> list[Resource]:
    scene, made = _scene(draw, name)
    made += [maker(scene, n) for maker, most in MAKERS for n in range(most)]
    for group in GROUPS:
        made += group(scene, 0) + group(scene, 1)
    return [_encounter(scene), *made]


def _foreign(draw: Draw, name: str) -> list[Resource]:
    """Types, references and marks that this project never writes."""
    scene, made = _scene(draw, name)
    about = scene.about()
    wrong = {
        **condition(scene, 8),
        "verificationStatus": {
            "coding": [{"system": f"{HL7}condition-ver-status", "code": "entered-in-error"}]
        },
    }
    odd = [
        record(
            "ClinicalImpression", scene.id("ci"), status="completed", description=WORDS[0], **about
        ),
        record(
            "NutritionOrder",
            scene.id("no"),
            status="active",
            intent="order",
            dateTime=scene.day,
            patient=scene.refer(scene.patient),
            encounter=scene.refer(scene.encounter),
        ),
        {
            **condition(scene, 0),
            "asserter": {"reference": "https://other.example/fhir/Practitioner/9"},
        },
        {**prescription(scene, 0), "requester": {"identifier": {"system": LOCAL, "value": "D-77"}}},
        {
            **measurement(scene, 0),
            "device": {"reference": "Device/not-there", "display": "Monitor"},
        },
        {
            **condition(scene, 1),
            "modifierExtension": [
                {"url": "https://hospital.example/fhir/flag", "valueBoolean": True}
            ],
        },
        {
            **condition(scene, 2),
            "text": {
                "status": "additional",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Seen with family.</p></div>',
            },
        },
        wrong,
    ]
    return [_encounter(scene), *made, *odd]


#: What hospitals' records are like at their worst, by name.
AWKWARD: dict[str, Callable[[Draw, str], list[Resource]]] = {
    "empty visit": _empty,
    "one name, no birth date, bare everything": _sparse,
    "no practitioner": _no_practitioner,
    "no codes": _no_codes,
    "very long notes": _long_notes,
    "100 medications": _hundred_medicines,
    "20 MB PDF": _large_file,
    "everything at once": _everything,
    "foreign resources": _foreign,
}
