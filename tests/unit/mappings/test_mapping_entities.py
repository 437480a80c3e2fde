"""HIMS entities beyond part 1 into FHIR, kind by kind; what isn't said isn't there."""

from zoneinfo import ZoneInfo

import pytest

from mappings import to_fhir
from mappings.hims import EntityInvalid, sessions
from mappings.ids import fhir_id
from tests.unit.mappings.hims_entities import SAMPLES

ABOUT = {"id": "1", "facility": "f", "patient": "p", "consultation": "c"}
PDF = "JVBERi0xLjcK"


def made(kind, **fields):
    return to_fhir(kind, {**ABOUT, **fields})


def of(resources, kind):
    return [r for r in resources if r["resourceType"] == kind]


def only(resources, kind):
    (found,) = of(resources, kind)
    return found


def code_of(concept):
    return [(c["system"].rsplit("/", 1)[-1], c["code"]) for c in concept.get("coding", ())]


# Times


@pytest.mark.parametrize(
    ("written", "zone", "read"),
    [
        ("2024-01-15T09:30:00", "Asia/Kolkata", "2024-01-15T09:30:00+05:30"),
        ("2024-01-15 09:30", "Asia/Kathmandu", "2024-01-15T09:30:00+05:45"),
        ("2024-01-15T09:30:00Z", "Asia/Kathmandu", "2024-01-15T09:30:00+00:00"),
        ("2024-01-15T09:30:00-04:00", "Asia/Kolkata", "2024-01-15T09:30:00-04:00"),
        ("2024-01-15", "Asia/Kolkata", "2024-01-15"),
        ("2024-01", "Asia/Kolkata", "2024-01"),
        ("2024", "Asia/Kolkata", "2024"),
        # Local mean time of old had seconds, which FHIR can't write.
        ("1900-01-01T12:00:00", "Asia/Kolkata", "1900-01-01T06:38:50+00:00"),
    ],
)
def test_a_time_is_read_in_the_zone_handed_in_and_stays_as_precise_as_it_was(written, zone, read):
    entity = {**ABOUT, "encounter_date": written}
    encounter = only(to_fhir("consultation", entity, zone=ZoneInfo(zone)), "Encounter")
    assert encounter["period"] == {"start": read}


@pytest.mark.parametrize(
    "written", ["2024-02-30", "15/01/2024", "2024-13", "noon", "1705312200", 7]
)
def test_what_is_no_time_is_refused_with_an_example_of_one(written):
    with pytest.raises(EntityInvalid) as refused:
        made("consultation", encounter_date=written)
    (fault,) = refused.value.faults
    assert fault.field == "encounter_date"
    assert "2026-02-27T10:00:00+05:30" in fault.sentence


# Consultation


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"suggestion": "OP"}, "AMB"),
        ({"suggestion": "A"}, "IMP"),
        ({"suggestion": "DC"}, "HH"),
        ({"encounter_class": "Emergency", "suggestion": "A"}, "EMER"),
        ({"encounter_class": "TELE"}, "VR"),
        ({"is_telemedicine": True, "suggestion": "OP"}, "VR"),
        ({"suggestion": "DD"}, None),
        ({"encounter_class": "camp"}, None),
    ],
)
def test_outpatient_inpatient_emergency_and_tele_visits_are_told_apart(fields, code):
    encounter = only(made("consultation", **fields), "Encounter")
    assert encounter["class"].get("code") == code


def test_admission_referral_and_discharge_stand_in_the_encounter():
    encounter = only(
        made(
            "consultation",
            route_to_facility=20,
            referred_from_facility="g",
            referred_by_external="Dr. Kale",
            is_readmission=True,
            new_discharge_reason=4,
            referred_to_external="AIIMS",
        ),
        "Encounter",
    )
    stay = encounter["hospitalization"]
    assert stay["origin"]["reference"] == f"Organization/{fhir_id('g', 'facility', 'g')}"
    assert stay["admitSource"] == {"text": "Referred from another facility"}
    assert code_of(stay["reAdmission"]) == [("v2-0092", "R")]
    assert code_of(stay["dischargeDisposition"]) == [("discharge-disposition", "aadvice")]
    assert stay["destination"] == {"display": "AIIMS"}
    (referrer,) = encounter["participant"]
    assert referrer["individual"] == {"display": "Dr. Kale"}


@pytest.mark.parametrize(
    ("reason", "disposition"),
    [
        ("EXP", [("discharge-disposition", "exp")]),
        (3, [("discharge-disposition", "exp")]),
        ("REC", []),
        (-1, None),
        (None, None),
    ],
)
def test_only_certain_discharge_reasons_have_a_code(reason, disposition):
    encounter = only(made("consultation", discharge_reason=reason), "Encounter")
    told = encounter.get("hospitalization", {}).get("dischargeDisposition")
    assert (code_of(told) if told else None) == disposition


def test_a_death_is_an_observation_with_its_time_and_who_confirmed_it():
    death = only(
        made(
            "consultation", death_datetime="2024-01-18T04:00:00Z", death_confirmed_doctor="Dr. Rao"
        ),
        "Observation",
    )
    assert code_of(death["code"]) == [("loinc.org", "81956-5")]
    assert death["valueDateTime"] == "2024-01-18T04:00:00+00:00"
    assert death["performer"] == [{"display": "Dr. Rao"}]


def test_a_referral_is_an_order_that_names_where_to():
    request = only(made("consultation", suggestion="R", referred_to="g"), "ServiceRequest")
    assert code_of(request["code"]) == [("sct", "3457005")]
    assert request["performer"] == [{"reference": f"Organization/{fhir_id('g', 'facility', 'g')}"}]
    assert request["status"] == "unknown"


def test_advised_investigations_are_orders_and_procedures_are_procedures_of_unknown_status():
    resources = made(
        "consultation",
        investigation=[{"type": ["CBC", "ESR"], "repetitive": True, "frequency": "24 hrs"}],
        procedure={"procedure": "Nebulisation", "notes": "if needed"},
    )
    assert [r["code"]["text"] for r in of(resources, "ServiceRequest")] == ["CBC", "ESR"]
    assert of(resources, "ServiceRequest")[0]["note"] == [{"text": "Repeated every 24 hrs"}]
    procedure = only(resources, "Procedure")
    assert (procedure["code"]["text"], procedure["status"]) == ("Nebulisation", "unknown")


def test_an_advised_investigation_without_a_name_is_no_order():
    resources = made("consultation", investigation=[{"type": ["", " ", None, "CBC"]}])
    assert [r["code"]["text"] for r in of(resources, "ServiceRequest")] == ["CBC"]


def test_plan_advice_and_follow_up_become_a_care_plan_and_a_proposed_appointment():
    resources = made(
        "consultation",
        treatment_plan="Rest",
        advice="Boiled water",
        follow_up_date="2024-02-01",
        review_interval=1440,
    )
    plan = only(resources, "CarePlan")
    assert (plan["status"], plan["description"]) == ("unknown", "Rest")
    assert plan["note"] == [{"text": "Boiled water"}]
    (activity,) = plan["activity"]
    assert activity["detail"]["scheduledPeriod"] == {"start": "2024-02-01"}
    assert activity["detail"]["description"] == "Follow-up visit within 1 day"
    appointment = only(resources, "Appointment")
    assert appointment["status"] == "proposed"
    assert appointment["supportingInformation"] == [plan["encounter"]]


@pytest.mark.parametrize("fields", [{}, {"review_interval": -1}, {"review_interval": 0}])
def test_without_plan_there_is_no_care_plan(fields):
    assert of(made("consultation", **fields), "CarePlan") == []


def test_the_chief_complaint_and_symptoms_are_the_reasons_of_the_visit():
    resources = made("consultation", chief_complaint="खाँसी", symptoms="2,9,1,99")
    names = [c["code"]["text"] for c in of(resources, "Condition")]
    assert names == ["Fever", "खाँसी"]
    assert len(only(resources, "Encounter")["reasonReference"]) == 2


def test_symptoms_of_later_care_versions_keep_their_own_onset():
    resources = made(
        "consultation",
        symptoms_onset_date="2024-01-01",
        symptoms=[
            {"symptom": 4, "onset_date": "2024-01-03", "cure_date": "2024-01-09"},
            {"symptom": 9, "other_symptom": "Hiccups"},
        ],
    )
    cough, hiccups = of(resources, "Condition")
    assert (cough["onsetDateTime"], cough["abatementDateTime"]) == ("2024-01-03", "2024-01-09")
    assert (hiccups["code"], hiccups["onsetDateTime"]) == ({"text": "Hiccups"}, "2024-01-01")


def test_nested_diagnoses_are_the_visits_with_the_principal_one_first():
    diagnoses = [
        {"id": "d1", "diagnosis": "Typhoid", "verification_status": "provisional"},
        {
            "id": "d2",
            "diagnosis_object": {"label": "1A07.Z Typhoid fever"},
            "is_principal": True,
        },
    ]
    resources = made("consultation", diagnoses=diagnoses)
    first, second = only(resources, "Encounter")["diagnosis"]
    assert code_of(first["use"]) == [("sct", "148006")]
    assert (code_of(second["use"]), second["rank"]) == ([("sct", "8319008")], 1)
    alone = made("diagnosis", id="d2", diagnosis="1A07.Z Typhoid fever", is_principal=True)
    nested = {r["id"]: r for r in of(resources, "Condition")}[alone[0]["id"]]
    same = {k: v for k, v in nested.items() if k != "encounter"}
    assert same == {k: v for k, v in alone[0].items() if k != "encounter"}


def test_the_bed_is_the_location_that_the_facility_describes():
    bed = {"bed_object": {"id": "b1", "name": "Bed 1"}, "start_date": "2024-01-15"}
    (stay,) = only(made("consultation", current_bed=bed), "Encounter")["location"]
    facility = {"id": "f", "locations": [{"id": "w", "beds": [{"id": "b1", "bed_type": 2}]}]}
    _, ward, place = to_fhir("facility", facility)
    assert stay["location"] == {"reference": f"Location/{place['id']}", "display": "Bed 1"}
    assert stay["period"] == {"start": "2024-01-15"}
    assert place["partOf"] == {"reference": f"Location/{ward['id']}"}
    assert place["type"] == [{"text": "ICU"}]


# Daily round


@pytest.mark.parametrize(
    ("written", "words", "code"),
    [
        (5, "Alert", "248234008"),
        ("RESPONDS_TO_VOICE", "Responds to voice", "300202002"),
        (25, "Agitated or confused", None),
        ("drowsy", "drowsy", None),
    ],
)
def test_choices_are_read_by_number_or_name_and_coded_where_certain(written, words, code):
    (found,) = made("daily_round", consciousness_level=written)
    answer = found["valueCodeableConcept"]
    assert (answer["text"], [c for _, c in code_of(answer)]) == (words, [code] if code else [])


@pytest.mark.parametrize("written", [0, "UNKNOWN", 77])
def test_an_unknown_choice_says_nothing(written):
    assert made("daily_round", consciousness_level=written, rhythm=written) == []


def test_intake_and_output_are_millilitres_by_fluid_and_in_total():
    resources = made(
        "daily_round",
        iv_fluids=[{"name": "RL", "quantity": 500}],
        output=[{"name": "Urine", "quantity": 350.5}],
        total_intake_calculated="500.00",
        total_output_calculated="350.50",
    )
    told = {
        r["code"]["text"]: (r["valueQuantity"]["value"], r["valueQuantity"]["code"])
        for r in resources
    }
    assert told == {
        "Fluid intake total Measured": (500, "mL"),
        "Fluid output total Measured": (350.5, "mL"),
        "IV fluid: RL": (500, "mL"),
        "Output: Urine": (350.5, "mL"),
    }


def test_false_is_a_finding_and_null_is_none():
    (found,) = made("daily_round", in_prone_position=False, bilateral_air_entry=None)
    assert found["valueBoolean"] is False


# Investigation


def test_results_have_ranges_interpretations_and_their_words():
    resources = to_fhir("investigation", SAMPLES["investigation"])
    by_name = {r["code"]["text"]: r for r in of(resources, "Observation")}
    low = by_name["Haemoglobin"]
    assert low["referenceRange"][0]["low"]["value"] == 12
    assert low["referenceRange"][0]["text"] == "12 - 15.5"
    assert code_of(low["interpretation"][0]) == [("v3-ObservationInterpretation", "L")]
    assert low["note"] == [{"text": "Repeat in a month"}]
    assert by_name["Haematocrit"]["valueQuantity"]["value"] == 33.1
    assert by_name["Peripheral smear"]["valueString"].startswith("Microcytic")
    assert by_name["ESR"]["valueQuantity"]["comparator"] == ">"
    assert by_name["ESR"]["valueQuantity"]["value"] == 100


def test_results_of_a_group_are_members_of_a_panel_that_the_report_names():
    resources = to_fhir("investigation", SAMPLES["investigation"])
    report = only(resources, "DiagnosticReport")
    by_id = {f"{r['resourceType']}/{r['id']}": r for r in resources}
    named = [by_id[r["reference"]] for r in report["result"]]
    assert [n["code"]["text"] for n in named] == ["Peripheral smear", "ESR", "Red cells"]
    members = [by_id[m["reference"]]["code"]["text"] for m in named[-1]["hasMember"]]
    assert members == ["Haemoglobin", "Haematocrit"]


def test_a_report_shows_its_file_and_names_specimen_order_and_interpreter():
    resources = to_fhir("investigation", SAMPLES["investigation"])
    report = only(resources, "DiagnosticReport")
    (shown,) = report["presentedForm"]
    assert (shown["contentType"], shown["title"]) == ("application/pdf", "cbc.pdf")
    assert report["specimen"] == [{"reference": f"Specimen/{only(resources, 'Specimen')['id']}"}]
    assert report["basedOn"][0]["reference"].endswith(only(resources, "ServiceRequest")["id"])
    assert report["resultsInterpreter"][0]["reference"].startswith("Practitioner/")
    assert {"display": "Sahyadri Pathology"} in report["performer"]
    assert code_of(only(resources, "Specimen")["type"]) == [("sct", "119297000")]


def test_images_of_an_imaging_report_are_its_media():
    png = "iVBORw0KGgoAAAANSUhEUg=="
    resources = made(
        "investigation",
        name="Chest X-ray",
        category="X-ray",
        conclusion="Clear",
        files=[{"name": "a", "data": png}, {"name": "b.pdf", "data": PDF}],
    )
    report, media = only(resources, "DiagnosticReport"), only(resources, "Media")
    assert report["media"] == [{"link": {"reference": f"Media/{media['id']}"}}]
    assert media["content"]["contentType"] == "image/png"
    assert [f["contentType"] for f in report["presentedForm"]] == ["image/png", "application/pdf"]
    assert report["status"] == "unknown"


def test_one_value_of_cares_export_is_a_report_of_one_result():
    value = {
        **ABOUT,
        "investigation_object": {"name": "Urea", "unit": "mg/dL", "max_value": 40},
        "group_object": {"name": "Renal"},
        "value": 31.0,
        "notes": "fasting",
        "session_object": {
            "session_external_id": "s1",
            "session_created_date": "2024-01-15T10:00:00+05:30",
        },
    }
    observation, report = to_fhir("investigation", value)
    assert observation["valueQuantity"] == {
        "value": 31,
        "unit": "mg/dL",
        "system": "http://unitsofmeasure.org",
        "code": "mg/dL",
    }
    assert report["code"]["text"] == "Urea"
    assert report["issued"] == "2024-01-15T10:00:00+05:30"
    assert "conclusion" not in report


def test_values_of_a_session_are_gathered_into_one_report():
    def value(number, session):
        about = {**ABOUT, "id": number, "investigation_object": {"name": f"test {number}"}}
        return {**about, "value": number, "session_object": {"session_external_id": session}}

    gathered = sessions([value(1, "s"), value(2, "t"), value(3, "s"), {**ABOUT, "values": []}])
    assert [(g["id"], len(g["values"])) for g in gathered] == [("s", 2), ("t", 1), ("1", 0)]
    alone = to_fhir("investigation", value(3, "s"))
    together = to_fhir("investigation", gathered[0])
    assert of(alone, "Observation")[0]["id"] in {r["id"] for r in of(together, "Observation")}


@pytest.mark.parametrize(("written", "status"), [("Final", "final"), ("done", "unknown")])
def test_a_reports_status_is_one_that_the_hims_gave_or_unknown(written, status):
    assert only(made("investigation", status=written), "DiagnosticReport")["status"] == status


# Files


@pytest.mark.parametrize(
    ("data", "fields", "kind"),
    [
        (PDF, {}, "application/pdf"),
        ("iVBORw0KGgoAAAANSUhEUg==", {"name": "x.pdf"}, "image/png"),
        ("SUQzBAAAAAAA", {}, "audio/mpeg"),
        ("AAAA", {"internal_name": "note.mp3"}, "audio/mpeg"),
        ("AAAA", {"mime_type": "audio/ogg"}, "audio/ogg"),
        ("AAAA", {}, "application/octet-stream"),
        (f"data:application/pdf;base64,{PDF}", {}, "application/pdf"),
    ],
)
def test_a_file_is_a_binary_of_its_kind_that_its_document_reference_names(data, fields, kind):
    binary, reference = made("file", data=data, **fields)
    attachment = reference["content"][0]["attachment"]
    assert binary["contentType"] == kind
    assert attachment["url"] == f"Binary/{binary['id']}"
    assert binary["securityContext"] == reference["subject"]


def test_a_file_without_contents_is_named_only():
    (reference,) = made("file", name="Scan", data="not base64!")
    assert reference["content"] == [{"attachment": {"title": "Scan"}}]


@pytest.mark.parametrize(
    ("fields", "about"), [({"file_type": 2}, "Encounter"), ({"file_type": "PATIENT"}, None)]
)
def test_the_associating_id_is_the_visits_or_the_patients(fields, about):
    entity = {"id": "1", "facility": "f", "patient": "p", "associating_id": "c", **fields}
    (reference,) = to_fhir("file", entity)
    named = reference.get("context", {}).get("encounter", [{}])[0].get("reference", "")
    assert named == (f"Encounter/{fhir_id('f', 'consultation', 'c')}" if about else "")


def test_an_archived_file_is_no_longer_the_current_one():
    (reference,) = made("file", is_archived=True, archive_reason="Wrong patient")
    assert reference["status"] == "superseded"
    assert reference["description"] == "Archived: Wrong patient"


# Prescriptions


@pytest.mark.parametrize(
    ("frequency", "repeat"),
    [
        ("1-0-1", {"frequency": 2, "period": 1, "periodUnit": "d"}),
        ("1-1-1-1", {"frequency": 4, "period": 1, "periodUnit": "d"}),
        ("1-0-2", None),
        ("0-0-0", None),
        ("TDS", {"frequency": 3, "period": 1, "periodUnit": "d"}),
        ("stat", {"count": 1}),
        ("when hungry", None),
    ],
)
def test_frequencies_are_structured_where_they_are_certain(frequency, repeat):
    (request,) = made("prescription", medicine_old="Azee", frequency=frequency)
    assert request["dosageInstruction"][0]["timing"].get("repeat") == repeat


def test_a_tapering_dose_is_a_sequence_of_dosages():
    steps = [
        {"dosage": "40 mg", "days": 5, "start_date": "2024-01-15"},
        {"dosage": "20 mg", "days": 5},
    ]
    (request,) = made("prescription", medicine_old="Prednisolone", frequency="OD", taper=steps)
    first, second = request["dosageInstruction"]
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert first["timing"]["repeat"]["boundsPeriod"] == {"start": "2024-01-15"}
    assert second["timing"]["repeat"]["boundsDuration"]["value"] == 5
    assert second["text"] == "20 mg, once daily, for 5 days"


def test_a_titrated_dose_is_a_range_and_a_maximum_is_per_day():
    (request,) = made(
        "prescription",
        medicine_old="Metformin",
        dosage_type="TITRATED",
        base_dosage="500 mg",
        target_dosage="1000 mg",
        max_dosage="2 g",
        instruction_on_titration="double after a week",
    )
    (dosage,) = request["dosageInstruction"]
    assert dosage["doseAndRate"][0]["doseRange"]["high"]["value"] == 1000
    assert dosage["maxDosePerPeriod"]["numerator"]["code"] == "g"
    assert dosage["maxDosePerPeriod"]["denominator"]["value"] == 24
    assert "double after a week" in dosage["text"]


@pytest.mark.parametrize(
    ("medicine", "name"),
    [
        ("Azee 500", "Azee 500"),
        ({"name": "Azee"}, "Azee"),
        ("5f2e0c1a-0b6e-4a53-9d53-1d1f6b2f7a11", None),
    ],
)
def test_a_medicine_is_a_name_or_an_object_and_a_key_names_nothing(medicine, name):
    (request,) = made("prescription", medicine=medicine)
    assert request["medicationCodeableConcept"].get("text") == name


def test_a_discontinued_prescription_says_why_and_when():
    request = to_fhir("prescription", SAMPLES["prescription"])[1]
    assert request["status"] == "stopped"
    assert request["statusReason"] == {"text": "Rash"}
    assert request["note"][1] == {"text": "Discontinued on 2024-01-20T09:00:00+05:30"}


# Immunizations, allergies, invoices, procedures


def test_a_dose_with_a_date_was_given_and_a_dose_due_is_recommended():
    given, recommended = made(
        "immunization",
        vaccine_name="Covishield",
        last_vaccinated_date="2021-05-01",
        number_of_doses=1,
        due=[{"due_date": "2021-08-01", "dose_number": 2}, {"dose_number": 3}],
    )
    assert given["status"] == "completed"
    assert given["protocolApplied"][0]["doseNumberPositiveInt"] == 1
    (due,) = recommended["recommendation"]
    assert code_of(due["forecastStatus"]) == [("immunization-recommendation-status", "due")]
    assert due["dateCriterion"][0]["value"] == "2021-08-01"
    assert due["supportingImmunization"] == [{"reference": f"Immunization/{given['id']}"}]


def test_an_immunization_without_date_and_status_claims_neither():
    (given,) = made("immunization", vaccine_name="BCG")
    assert "status" not in given
    assert given["_status"]["extension"][0]["valueCode"] == "unknown"
    assert "occurrenceDateTime" not in given


def test_a_dose_not_given_says_why():
    (given,) = made("immunization", status="Not done", not_given_reason="Fever")
    assert (given["status"], given["statusReason"]) == ("not-done", {"text": "Fever"})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"clinical_status": "Active"}, {"clinicalStatus": "active"}),
        ({"clinical_status": "somewhat"}, {"clinicalStatus": None}),
        ({"category": "drug"}, {"category": ["medication"]}),
        ({"criticality": "unable to assess"}, {"criticality": "unable-to-assess"}),
        ({"criticality": "bad"}, {"criticality": None}),
    ],
)
def test_statuses_and_grades_of_an_allergy_are_fhirs_or_absent(fields, expected):
    (allergy,) = made("allergy", allergen="Dust", **fields)
    for name, value in expected.items():
        found = allergy.get(name)
        if isinstance(found, dict):
            found = found["coding"][0]["code"]
        assert found == value


def test_a_code_of_an_unknown_system_keeps_the_hospitals_own():
    (allergy,) = made("allergy", allergen="Dust", code="D-7", system="our codes")
    (known,) = allergy["code"]["coding"]
    assert known["system"] == "https://facility.ndhm.gov.in/f/codes/allergy"


def test_an_invoice_has_a_charge_for_each_line_and_its_prices_coded():
    resources = to_fhir("invoice", SAMPLES["invoice"])
    invoice = only(resources, "Invoice")
    assert [c["status"] for c in of(resources, "ChargeItem")] == ["billed", "billed"]
    line = invoice["lineItem"][1]
    assert line["chargeItemReference"]["reference"].endswith(of(resources, "ChargeItem")[1]["id"])
    assert {
        p["code"]["coding"][0]["display"]: p["amount"]["value"] for p in line["priceComponent"]
    } == {
        "Rate": 110,
        "MRP": 118.5,
        "Discount": 8.5,
        "CGST": 6.6,
        "SGST": 6.6,
    }
    assert invoice["totalGross"] == {"value": 4623.2, "currency": "INR"}


def test_sums_and_statuses_of_an_invoice_are_never_made_up():
    charge, invoice = made("invoice", items=[{"id": 1, "name": "X-ray", "rate": 300}])
    assert not {"totalNet", "totalGross", "date", "status"} & invoice.keys()
    assert (charge["status"], charge["code"]) == ("unknown", {"text": "X-ray"})


@pytest.mark.parametrize(
    ("kind", "field", "items"),
    [
        ("invoice", "items", [{"id": 1}, {"id": "1"}]),
        ("investigation", "values", [{"id": "v"}, {"id": "v"}]),
        ("consultation", "diagnoses", [{"id": "d"}, {"id": "d"}]),
    ],
)
def test_two_items_with_one_id_are_refused_since_one_would_be_lost(kind, field, items):
    with pytest.raises(EntityInvalid) as refused:
        made(kind, **{field: items})
    assert [f.field for f in refused.value.faults] == [field]


def test_a_procedure_keeps_its_code_status_and_time():
    (procedure,) = to_fhir("procedure", SAMPLES["procedure"])
    assert code_of(procedure["code"]) == [("sct", "277762005")]
    assert procedure["status"] == "completed"
    assert procedure["performedPeriod"]["end"] == "2024-01-16T08:25:00+05:30"


# People


def test_a_role_is_given_where_the_hims_names_one_in_care():
    _, role = to_fhir("user", {"id": 1, "facility": "f", "user_type": 15, "skills": ["Cardiology"]})
    assert code_of(role["code"][0]) == [("sct", "158965000")]
    assert code_of(role["specialty"][0]) == [("sct", "394579002")]
    assert len(to_fhir("user", {"id": 1, "facility": "f", "user_type": "DistrictAdmin"})) == 1


def test_the_registration_of_a_patient_tells_of_known_illnesses_in_its_own_words():
    resources = to_fhir("patient", SAMPLES["patient"])
    illnesses = [c["code"] for c in of(resources, "Condition")]
    assert code_of(illnesses[0]) == [("sct", "73211009")]
    assert [c["text"] for c in illnesses] == ["Diabetes: since 2019", "Migraine"]
    told = {o["code"]["text"]: o["valueString"] for o in of(resources, "Observation")}
    assert told["Known allergies"] == "Penicillin"
    assert only(resources, "MedicationStatement")["status"] == "unknown"


def test_a_key_of_the_hims_is_no_abha_number():
    entity = {**SAMPLES["patient"], "abha_number_object": None}
    patient = to_fhir("patient", {**entity, "abha_number": "5f2e0c1a-0b6e-4a53"})[0]
    assert all(i.get("system") != "https://healthid.ndhm.gov.in" for i in patient["identifier"])


def test_an_entity_inherits_patient_and_facility_from_the_visit_nested_in_it():
    nested = {
        "id": "1",
        "consultation_object": {"id": "c", "patient": {"id": "p"}, "facility": "f"},
    }
    assert to_fhir("prescription", nested) == made("prescription")
