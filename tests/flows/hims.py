"""A hospital's own system before the HIMS API: posts entities and looks at what is stored."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from flask.testing import FlaskClient
from pydantic import SecretStr

from adapter.app import create_app
from adapter.config import ApiKey, ServedFacility
from adapter.stores import facilities
from mappings.ids import fhir_id
from tests.flows.harness import Json, Site

WHOLE = "key-for-all-facilities"
LIMITED = "key-for-one-facility"


@dataclass
class Hospital:
    """The API of a site, and entities with ids of their own."""

    site: Site
    client: FlaskClient
    other: ServedFacility
    run: str

    def post(self, kind: str, body: Any, key: str = WHOLE, query: str = "") -> Any:
        headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
        return self.client.post(f"/hims/v1/{kind}{query}", json=body, headers=headers)

    def get(self, path: str, key: str = WHOLE) -> Any:
        headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
        return self.client.get(f"/hims/v1/{path}", headers=headers)

    def call(self, method: str, path: str, key: str = WHOLE) -> Any:
        """Any call of the API without a body."""
        headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
        return self.client.open(f"/hims/v1/{path}", method=method, headers=headers)

    def send(self, kind: str, **entity: Any) -> Json:
        """Post one entity that goes in; its result."""
        answer = self.post(kind, self.entity(**entity))
        assert answer.status_code == 200, answer.json
        (result,) = answer.json["results"]
        return result

    def entity(self, **entity: Any) -> Json:
        return {"facility": self.site.hfr_id, **entity}

    def id(self, kind: str, hims_id: str) -> str:
        return fhir_id(self.site.hfr_id, kind, hims_id)

    def read(self, resource_type: str, resource_id: str) -> Json:
        found = self.site.adapter.fhir._read(resource_type, resource_id)
        assert found is not None
        return found

    def is_there(self, resource_type: str, resource_id: str) -> bool:
        return self.site.adapter.fhir._read(resource_type, resource_id) is not None

    def institution(self) -> None:
        """The facility under its HFR id, and a patient "p"."""
        body = {"id": self.site.hfr_id, "hf_id": self.site.hfr_id, "name": "Hospital of a Test"}
        assert self.post("facility", body).status_code == 200
        self.send("patient", id="p", name="Asha Verma", gender=2, date_of_birth="1991-04-02")


def hospital_of(site: Site) -> Hospital:
    """One adapter that serves two facilities; a key for both, and one for the other only."""
    hfr_id = f"IN{uuid.uuid4().int % 10**10:010d}"
    other = ServedFacility(hfr_id, hfr_id)
    config = site.adapter.config.model_copy(
        update={
            "abdm_facilities": (*site.adapter.config.abdm_facilities, other),
            "hims_api_keys": (
                ApiKey(SecretStr(WHOLE), None),
                ApiKey(SecretStr(LIMITED), frozenset({hfr_id})),
            ),
            "max_entity_bytes": 200_000,
        }
    )
    with site.adapter.db.transaction() as tx:
        facilities.sync(tx, config)
    site.adapter = replace(site.adapter, config=config)
    return Hospital(site, create_app(site.adapter).test_client(), other, uuid.uuid4().hex[:8])
