"""The journey's SQL on a real PostgreSQL: link by OTP, consent, request, pages, report."""

import re
from collections.abc import Iterator

import pytest

from tests import servers
from tests.flows.harness import (
    NOTIFY,
    ON_CONFIRM,
    ON_INIT,
    OTP,
    PUSH,
    Hiu,
    Site,
    address_of,
    artefact,
    discovery,
    end,
    error_code,
    grant,
    reference_of,
)

pytestmark = [pytest.mark.hapi, pytest.mark.postgres]


@pytest.fixture
def database_url() -> Iterator[str]:
    with servers.postgres_server() as url:
        yield url


def test_the_whole_journey_works_on_postgresql(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    request = discovery(patient)
    site.deliver("DiscoverCareContexts", request)
    chosen = [{"referenceNumber": reference_of(visit)}]
    entries = [
        {"referenceNumber": "MRN-1", "hiType": kind, "careContexts": chosen, "count": 1}
        for kind in ("OPConsultation", "Prescription")
    ]
    init = {"abhaAddress": address_of(patient), "patient": entries}
    site.deliver("LinkInit", init | {"transactionId": request["transactionId"]})
    reference = site.outside.only(ON_INIT).body["link"]["referenceNumber"]
    found = re.search(r"\b\d{6}\b", site.outside.only(OTP).body["text"])
    assert found
    wrong = f"{(int(found.group()) + 1) % 1_000_000:06d}"
    for otp in (wrong, found.group()):
        site.deliver("LinkConfirm", {"confirmation": {"token": otp, "linkRefNumber": reference}})
    refused, confirmed = site.outside.to(ON_CONFIRM)
    assert error_code(refused) == "ABDM-1035"
    assert len(confirmed.body["patient"]) == 2
    assert {row["state"] for row in site.rows("care_context_link")} == {"LINKED"}

    detail = artefact(site, patient, visit)
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    assert [hiu.open(page)[0] for page in site.outside.to(PUSH)] == [reference_of(visit)] * 2
    report = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    assert report["sessionStatus"] == "TRANSFERRED"
    site.deliver("HipConsentNotify", end(detail, "REVOKED"))
    assert site.row("ended_consent")["state"] == "REVOKED"
    assert site.row("transfer")["state"] == "TRANSFERRED"
