"""A patient's profile as ABDM shares it, and the hospital's queue that it opens."""

import uuid
from typing import Any

from tests.flows.harness import Json, Site
from tests.flows.hims import Hospital

ON_SHARE = "/patient-share/v3/on-share"


def share(counter: str = "OPD3", **patient: Any) -> Json:
    """What ABDM sends when somebody new shares their profile."""
    tail = uuid.uuid4().int % 10**8
    made: Json = {
        "abhaNumber": f"91-{tail // 10000:04d}-{tail % 10000:04d}-0023",
        "abhaAddress": f"asha.{tail:08d}@sbx",
        "name": "Asha Verma",
        "gender": "F",
        "dayOfBirth": "7",
        "monthOfBirth": "3",
        "yearOfBirth": "1984",
        "address": {
            "line": "12 Lake View Road",
            "district": "Bengaluru Urban",
            "state": "Karnataka",
            "pinCode": "560034",
        },
        "phoneNumber": f"98{tail:08d}",
        **patient,
    }
    meta = {"hipId": "IN2910004417", "context": counter, "latitude": "12.93", "longitude": None}
    return {"intent": "PROFILE_SHARE", "metaData": meta, "profile": {"patient": made}}


def person(body: Json) -> Json:
    found: Json = body["profile"]["patient"]
    return found


def numbers(site: Site) -> list[str]:
    return [
        call.body["acknowledgement"]["profile"]["tokenNumber"] for call in site.outside.to(ON_SHARE)
    ]


def queue_of(hospital: Hospital, query: str = "") -> list[Json]:
    answer = get(hospital, f"/hims/v1/queue{query}")
    assert answer.status_code == 200, answer.json
    found: list[Json] = answer.json["queue"]
    return found


def get(hospital: Hospital, path: str, key: str = "key-for-all-facilities") -> Any:
    headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
    return hospital.client.get(path, headers=headers)
