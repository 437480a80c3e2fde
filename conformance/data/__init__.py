"""The demo hospital as readable tables, and the code that turns them into plain FHIR R4.

Everybody and everything in here is invented: names, ABHA numbers (91-0000-…), mobiles (90000000xx),
hospitals, registration numbers. Never put a real person in.

What lies where:

* ``facilities.toml``: the two facilities and the doctors.
* ``catalogue.toml``: diagnoses, drugs, laboratory tests, vaccines … that visits name by key.
* ``patients/<slug>.toml``: one file a patient with all visits, oldest first. Copy one to add one.
* ``people.py``, ``history.py``, ``visit.py``, ``records.py``, ``observations.py``: tables in, FHIR
  resources out, helped by ``catalogue.py``, ``dosage.py`` and ``scan.py``.

What comes out is FHIR as a hospital system writes it by itself, without ABDM profiles. Ids are made
of the record number and the visit's date, so they are stable, never purely numeric, and contain no
name. Nothing in here does I/O except reading these tables; loading is ``conformance.hospital``.

A patient file has the person on top (see ``people.PATIENT_KEYS``) and ``[[visits]]`` below (see
``visit.VISIT_KEYS``); a key that isn't known is refused. Times are Indian Standard Time. A visit
without ``doctor`` has none recorded; without ``facility`` it is the patient's usual one, and where
that is missing too none was recorded; ``encounter = false`` says that the records stand alone.
Whatever has no entry in the catalogue is written ``{ text = "…" }``, with ``code`` and ``system``
too if it bears a code of another hospital.
"""
