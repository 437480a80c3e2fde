"""A hospital whose records are watched: what is written to FHIR is linked without anyone asking."""

import time
from dataclasses import dataclass, replace
from typing import Any

import jwt

from adapter.rules.care_contexts import patient_reference
from adapter.rules.watching import WATCHED_TYPES
from adapter.stores import watch
from tests.flows.harness import CONTEXT_NOTIFY, GENERATE_TOKEN, LINK, Call, Json, Site, address_of

TOKEN = jwt.encode({"hipId": "x", "exp": time.time() + 10**8}, "k" * 32)


@dataclass
class Watched:
    """`site` with the record watch on; everything that was on the server before is seen already.

    The server is shared, so whatever is asserted is asserted of the patients of the test.
    """

    site: Site

    def sweep(self) -> None:
        """Let the time between two sweeps pass, and do everything that is due then."""
        self.site.clock.advance(self.site.adapter.config.watch_sweep_seconds)
        self.site.run()

    def links(self, patient: Json) -> dict[tuple[str, str], str]:
        """The state of each link of a patient, by care context and HI type."""
        return {
            (row["reference"], row["hi_type"]): row["state"]
            for row in self.site.rows("care_context_link")
            if row["patient_id"] == patient["id"]
        }

    def asked(self, patient: Json) -> list[Call]:
        """The requests for a link token of this patient."""
        return [c for c in self.site.outside.to(GENERATE_TOKEN) if _about(c, patient)]

    def sent(self, patient: Json) -> list[Call]:
        """The link requests for this patient."""
        return [c for c in self.site.outside.to(LINK) if _about(c, patient)]

    def told(self, visit: list[Json]) -> list[Json]:
        """The notices of a visit's content, oldest first."""
        notices = [c.body["notification"] for c in self.site.outside.to(CONTEXT_NOTIFY)]
        reference = f"Encounter-{visit[0]['id']}"
        return [n for n in notices if n["careContext"]["careContextReference"] == reference]

    def give_token(self, patient: Json) -> None:
        """ABDM answers the newest request for a token of this patient."""
        body = {"abhaAddress": address_of(patient), "linkToken": TOKEN}
        self.site.answer(self.asked(patient)[-1], "OnGenerateLinkToken", body)

    def accept(self, patient: Json) -> None:
        """ABDM says that the newest link request of this patient is done."""
        body = {"abhaAddress": address_of(patient), "status": "Successfully Linked"}
        self.site.answer(self.sent(patient)[-1], "OnHipLinkCareContext", body)

    def linked(self, patient: Json, *visits: list[Json]) -> None:
        """Load a patient with visits and have them linked."""
        self.site.admit(patient, *visits)
        self.sweep()
        self.give_token(patient)
        self.accept(patient)
        self.site.wait(10)
        assert set(self.links(patient).values()) == {"LINKED"}


def watched(site: Site, **settings: Any) -> Watched:
    """This hospital with the record watch on."""
    changes = {
        "watch_records": True,
        # Other tests write to the same server all the time.
        "watch_overlap_seconds": 2,
        "public_url": "",
        "link_update_seconds": 120,
        **settings,
    }
    config = site.adapter.config.model_copy(update=changes)
    made = Watched(replace(site, adapter=replace(site.adapter, config=config)))
    with site.adapter.db.transaction() as tx:
        for kind in WATCHED_TYPES:
            now = made.site.adapter.fhir.time("Patient")
            watch.finish_search(tx, kind, now, now)
    return made


def _about(call: Call, patient: Json) -> bool:
    if "patient" in call.body:
        named = {entry["referenceNumber"] for entry in call.body["patient"]}
        return named == {patient_reference(patient)}
    return bool(call.body.get("abhaAddress") == address_of(patient))
