"""Which records and patients are out of the question for linking and release. Pure.

A record that was cancelled or entered in error, a patient whose record was merged into another or
is inactive: ABDM publishes no way to take a link back, so nothing of them is released any more.
"""

from __future__ import annotations

from typing import Any

from mappings.resources import as_list, is_error, reference_key

#: States of a root record that mean that it did not happen, beside entered-in-error.
_NOT_HAPPENED = frozenset({"cancelled", "not-done"})


def record_ended(root: dict[str, Any]) -> str:
    """Why a root record may not be shared, as a sentence for the operator; "" if it may."""
    name = f"{root['resourceType']}/{root['id']}"
    if is_error(root):
        return f"{name} was entered in error."
    status = root.get("status")
    return f"{name} is marked {status}." if status in _NOT_HAPPENED else ""


def patient_ended(patient: dict[str, Any]) -> str:
    """Why nothing of a patient may be shared under this record, as a sentence; "" if it may."""
    name = f"Patient/{patient['id']}"
    for link in as_list(patient.get("link")):
        if link.get("type") == "replaced-by":
            other = reference_key(link.get("other")) or "another record"
            return (
                f"{name} was merged into {other}; name that one as the subject of the patient's "
                "visits, then they are linked and released under it."
            )
    return f"{name} is marked inactive." if patient.get("active") is False else ""
