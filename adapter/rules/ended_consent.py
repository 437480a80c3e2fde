"""What stays in FHIR of a consent that was given to us and has ended: who, when, why. Pure.

The Consent becomes a tombstone without the artefact, as on the HIP side.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapter.protocol import ids
from adapter.rules import consent_resource
from adapter.rules.states import ConsentState, HiuArtefactState
from mappings import systems

Resource = dict[str, Any]


def tombstone(
    artefact_id: str,
    reason: HiuArtefactState,
    at: datetime,
    *,
    hip_id: str | None,
    patient_id: str | None,
) -> Resource:
    """The Consent `hiu-<artefact id>` of an artefact that was REVOKED or EXPIRED `at` a time.

    `hip_id`: whose records it was about; `patient_id`: the local FHIR Patient, who revoked it. That
    a consent's time is over is nobody's act, so no performer is named then.
    """
    resource = consent_resource.ended(artefact_id, ConsentState(reason.value), hip_id, at)
    resource["id"] = ids.consent_id("hiu", artefact_id)
    if reason is HiuArtefactState.REVOKED:
        resource["performer"] = [{"type": "Patient", "display": "The patient, through ABDM"}]
        if patient_id:
            resource["performer"][0]["identifier"] = {
                "system": systems.PATIENT,
                "value": patient_id,
            }
    return resource
