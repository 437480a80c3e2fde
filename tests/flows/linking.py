"""A patient whose visits the hospital links, for tests of what linking leads to."""

import time
from typing import Any

import jwt

from adapter.flows.hip_linking import LinkReport, link_encounter
from tests.flows.harness import (
    CONTEXT_NOTIFY,
    GENERATE_TOKEN,
    LINK,
    Call,
    Site,
    address_of,
)

TOKEN = jwt.encode({"hipId": "x", "exp": time.time() + 10**8}, "k" * 32)
NEW_TOKEN = jwt.encode({"hipId": "y", "exp": time.time() + 10**8}, "k" * 32)


def references(call: Call) -> set[str]:
    """The care contexts that a link request names."""
    entries = call.body["patient"]
    return {c["referenceNumber"] for entry in entries for c in entry["careContexts"]}


class Linking:
    """A patient with visits to be linked by the hospital."""

    def __init__(self, site: Site, visits: int = 1, **patient: Any) -> None:
        self.site = site
        self.patient = site.patient(**patient)
        self.visits = [site.visit(self.patient) for _ in range(visits)]
        site.admit(self.patient, *self.visits)

    def link(self, number: int = 0) -> LinkReport:
        report = link_encounter(self.site.adapter, self.visits[number][0]["id"], "desk-1")
        self.site.run()
        return report

    def give_token(self, call: Call | None = None, token: str = TOKEN) -> None:
        call = call or self.site.outside.to(GENERATE_TOKEN)[-1]
        body = {"abhaAddress": address_of(self.patient), "linkToken": token}
        self.site.answer(call, "OnGenerateLinkToken", body)

    def accept(self, call: Call | None = None) -> None:
        body = {"abhaAddress": address_of(self.patient), "status": "Successfully Linked"}
        self.site.answer(call or self.site.outside.to(LINK)[-1], "OnHipLinkCareContext", body)

    def refuse(self, code: str, message: str) -> None:
        body = {"error": {"code": code, "message": message}}
        self.site.answer(self.site.outside.to(LINK)[-1], "OnHipLinkCareContext", body)

    def states(self) -> set[str]:
        return {row["state"] for row in self.site.rows("care_context_link")}

    def linked(self) -> None:
        """Link the first visit, to its end: ABDM knows what it holds."""
        self.link()
        if self.site.outside.to(GENERATE_TOKEN):
            self.give_token()
        self.accept()
        self.site.wait(5)
        self.site.answer(
            self.site.outside.to(CONTEXT_NOTIFY)[-1],
            "OnCareContextNotify",
            {"acknowledgement": {"status": "SUCCESS"}},
        )

    def link_ids(self) -> list[str]:
        return [row["id"] for row in self.site.rows("care_context_link")]
