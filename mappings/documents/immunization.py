"""ImmunizationRecord: the doses given or refused, what is recommended next, and certificates.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/ImmunizationRecord: one section with any number of
Immunizations and DocumentReferences and at most one ImmunizationRecommendation; further
recommendations are documents of their own. A dose without any date is told in words.
"""

from __future__ import annotations

from mappings.documents.attachments import files_of, with_files
from mappings.documents.immunization_fit import dated
from mappings.documents.kinds import Content, DocumentType, Part, Section, named_authors, treating
from mappings.documents.visit import SHARED_TYPES, Visit
from mappings.resources import as_list, clinical_date, key

IMMUNIZATION_RECORD = Section("Immunization record", "41000179103", "Immunization record")


def _parts(visit: Visit) -> list[Part]:
    given = [dated(r, visit.root) for r in visit.of("Immunization")]
    recommended = sorted(
        visit.of("ImmunizationRecommendation"),
        key=lambda r: (clinical_date(r), key(r)),
        reverse=True,
    )
    if not given and not recommended:
        return []
    files = files_of(visit, "ImmunizationRecord")
    if visit.root["resourceType"] != "Encounter":
        # Whatever file comes with a stand-alone dose is about it.
        files = [f for f in visit.of("DocumentReference") if f.get("status") != "superseded"]
    certificates = [f for f in (with_files(f, visit) for f in files) if f]
    first = (*given, *recommended[:1], *certificates)
    return [
        Part([Content(IMMUNIZATION_RECORD, first)]),
        *(Part([Content(IMMUNIZATION_RECORD, (r,))], focus=r) for r in recommended[1:]),
    ]


def _authors(visit: Visit, _part: Part) -> list[str]:
    """Who gave the doses; else who treated the patient; else who recommended."""
    performers = [
        p.get("actor") for i in visit.of("Immunization") for p in as_list(i.get("performer"))
    ]
    people = [n for n in named_authors(visit, *performers) if n.startswith("Practitioner")]
    recommended = [r.get("authority") for r in visit.of("ImmunizationRecommendation")]
    return people or treating(visit) or named_authors(visit, *performers, *recommended)


IMMUNIZATION = DocumentType(
    hi_type="ImmunizationRecord",
    profile="ImmunizationRecord",
    code="41000179103",
    display="Immunization record",
    title="Immunization record",
    parts=_parts,
    authors=_authors,
    roots=frozenset({"Encounter", "Immunization", "ImmunizationRecommendation"}),
    typed_entries=True,
    # A reaction is an Observation; a recommendation names the doses that it follows.
    follows=SHARED_TYPES | {"Immunization", "Observation"},
)
