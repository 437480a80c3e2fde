"""The patient's pages in a real browser, against the simulator and a small HIP.

Needs Debian's Chromium; without it the marker has the tests reported as not run.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from conformance.simulator.config import SimulatorConfig
from conformance.simulator.server import start_in_thread
from tests.unit.simulator.conftest import World
from tests.unit.simulator.small_hip import (
    ADDRESS,
    CLIENT_ID,
    CLIENT_SECRET,
    HIP_ID,
    MOBILE,
    SmallHip,
)

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with start_in_thread(SimulatorConfig()) as running:
        client = running.client
        hip = SmallHip(running.base_url).start()
        client.add_bridge(CLIENT_ID, CLIENT_SECRET, hip.url)
        client.add_service(HIP_ID, "Sahyadri General Hospital", ["HIP"], CLIENT_ID)
        client.add_service("REMOTE-HIU", "Lakeside Clinic", ["HIU"])
        client.add_patient(ADDRESS, "91-2200-0000-4405", "Meera Joshi", "F", 1984, MOBILE)
        client.add_patient("ravi.rao@sbx", None, "रवि राव", "M", 1970, "9820000099")
        yield World(client, hip)
        hip.stop()


@pytest.fixture
def page(world: World) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(base_url=world.client.base_url, locale="en-GB")
        page.set_default_timeout(15_000)
        yield page
        browser.close()


def shot(page: Page, name: str) -> None:
    """Keep a picture where SCREENSHOTS names a folder, for a person to look at."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_patient_links_grants_narrowed_reads_and_revokes(page: Page, world: World) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)

    page.goto("/phr/")
    shot(page, "1-people")
    page.get_by_role("link", name="Meera Joshi").click()
    page.get_by_role("link", name="Find records at a hospital").click()
    page.get_by_label("Hospital", exact=True).select_option(label="Sahyadri General Hospital")
    page.get_by_label("Your record number there").fill("MRN-2208")
    page.get_by_role("button", name="Find records").click()
    expect(page.get_by_label("OPD visit 14 Aug 2026")).to_be_checked()
    shot(page, "2-found")
    page.get_by_role("button", name="Link the chosen visits").click()
    page.get_by_label("Six-digit code").fill(world.client.latest_otp(MOBILE))
    shot(page, "3-otp")
    page.get_by_role("button", name="Link these visits").click()
    expect(page.get_by_role("status")).to_contain_text("Linked.")
    assert len(world.client.links(ADDRESS)) == 2

    world.ask()
    page.get_by_role("link", name="Done").click()
    shot(page, "4-home")
    page.get_by_role("link", name="Lakeside Clinic").click()
    page.get_by_label("Prescription", exact=True).uncheck()
    page.get_by_label(re.compile("OPD visit 2 Sep 2026")).uncheck()
    shot(page, "5-request")
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Granted").first).to_be_visible()
    artefact_id = page.url.rsplit("/", 1)[1]
    world.client.wait_acknowledged(artefact_id, "GRANTED")
    detail = world.client.artefact(artefact_id).detail
    assert detail["hiTypes"] == ["OPConsultation"]
    assert [c["careContextReference"] for c in detail["careContexts"]] == ["encounter-1"]

    page.get_by_role("button", name="Let Lakeside Clinic fetch now").click()
    arrived = page.get_by_role("link", name="OPConsultation of OPD visit 14 Aug 2026")
    expect(arrived).to_be_visible()
    shot(page, "6-consent")
    arrived.click()
    expect(page.get_by_role("heading", name="Complaints")).to_be_visible()
    expect(page.get_by_role("cell", name="बुखार, two days")).to_be_visible()
    expect(page).to_have_title(re.compile("^OPConsultation of"))  # the script did not run
    page.get_by_text("The document as it arrived").click()
    expect(page.locator("pre")).to_contain_text('"resourceType": "Bundle"')
    shot(page, "7-document")

    page.goto(f"/phr/{ADDRESS}/consents/{artefact_id}")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked").first).to_be_visible()
    world.client.wait_acknowledged(artefact_id, "REVOKED")
    page.reload()
    expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
    shot(page, "8-revoked")
    assert errors == []


def test_every_form_field_has_a_name_for_screen_readers(page: Page, world: World) -> None:
    request_id = world.ask()
    for path in ("discover", "ask", "scan", f"requests/{request_id}"):
        page.goto(f"/phr/{ADDRESS}/{path}")
        fields = page.locator("input:not([type=hidden]), select")
        assert fields.count() > 0
        for field in fields.all():
            assert field.evaluate("field => field.labels.length") == 1


def test_pages_fit_a_phone(page: Page, world: World) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("", f"{ADDRESS}/", f"{ADDRESS}/discover", f"{ADDRESS}/ask", f"{ADDRESS}/scan"):
        page.goto(f"/phr/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    shot(page, "9-phone")
