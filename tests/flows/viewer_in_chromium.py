"""The real viewer, built from npm as a hospital would, shows received documents in real Chromium.

    make test-viewer

No part of the ordinary suite: it needs npm's registry, and a package that states no licence. The
browser's headers stand for the proxy that adds key and person.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from adapter.app import create_app
from adapter.cli import main
from adapter.crypto.sealing import generate_seal_key
from conformance import other_hospitals
from mappings.viewer import viewed
from tests.browser.test_phr_pages import CHROMIUM, FLAGS
from tests.flows.harness import Site
from tests.flows.hims import WHOLE, Hospital
from tests.flows.received import give
from tests.unit.mappings.viewer_documents import LISTED, PDF, awkward

FOLDER = Path(other_hospitals.__file__).parent
DOCUMENTS = sorted(FOLDER.glob("*-*.json"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VIEWER_DIR as the command leaves it."""
    folder = tmp_path_factory.mktemp("viewer")
    settings = {
        "ABDM_CLIENT_ID": "SBX_000001",
        "ABDM_CLIENT_SECRET": "secret-of-a-test",
        "SEAL_KEYS": generate_seal_key(),
        "VIEWER_DIR": str(folder),
    }
    ran = CliRunner().invoke(main, ["viewer", "build", "--licence-settled"], env=settings)
    assert ran.exit_code == 0, ran.output
    assert sorted(each.name for each in folder.iterdir()) == ["viewer.css", "viewer.js"]
    return folder


@dataclass
class Viewer:
    """A browser before the adapter; `faults`: what its console complained of."""

    site: Site
    page: Page
    base_url: str
    faults: list[str]

    def open(self, content: bytes) -> Page:
        """The page of a document that is received now."""
        document_id = give(self.site, content).documents[0].document_id
        answer = self.page.goto(f"{self.base_url}/hims/v1/received/{document_id}/view")
        assert answer is not None
        assert answer.status == 200
        return self.page


@pytest.fixture
def viewer(site: Site, hospital: Hospital, built: Path) -> Iterator[Viewer]:
    config = site.adapter.config.model_copy(update={"viewer_dir": built})
    server = make_server(
        "127.0.0.1", 0, create_app(replace(site.adapter, config=config)), threaded=True
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(
            locale="en-GB",
            timezone_id="Asia/Kolkata",
            extra_http_headers={"Authorization": f"Bearer {WHOLE}", "X-User": "Sister Mary"},
        )
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        yield Viewer(site, page, f"http://127.0.0.1:{server.port}", faults)
        browser.close()
    server.shutdown()


def listed(page: Page) -> set[tuple[str, str]]:
    """Kind and title of each row that the page says is not shown."""
    rows = page.locator("#not-shown tbody tr").all()
    found = [row.locator("td").all_inner_texts() for row in rows if row.is_visible()]
    return {(kind, title) for kind, title, *_ in found}


def records(content: bytes) -> set[tuple[str, str]]:
    """Kind and title of every record of care in a document, shown or not."""
    return {(row.kind, row.title) for row in viewed(content).rows if not row.of_people}


def shot(page: Page, name: str) -> None:
    """Keep a picture where SCREENSHOTS names a folder, for a person to look at."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.stem)
def test_whatever_is_said_to_be_shown_is_there_and_the_rest_is_listed(
    viewer: Viewer, file: Path
) -> None:
    page = viewer.open(file.read_bytes())
    expect(page.locator("body")).to_have_attribute("data-state", "shown")
    shot(page, file.stem)
    drawn = page.locator("#document").inner_text()
    rows = viewed(file.read_bytes()).rows
    assert any(not row.why for row in rows)
    for row in rows:
        # Of the visit the viewer shows class, status and dates.
        if not row.why and row.kind not in ("Encounter", "DocumentReference", "Binary"):
            assert row.title in drawn
    assert listed(page) == {(row.kind, row.title) for row in rows if row.why and not row.of_people}
    assert page.locator("#people tbody tr").count() == sum(row.of_people for row in rows)
    assert viewer.faults == []


def test_an_awkward_document_is_shown_rightly_or_listed(viewer: Viewer) -> None:
    page = viewer.open(json.dumps(awkward()).encode())
    expect(page.locator("body")).to_have_attribute("data-state", "shown")
    shot(page, "awkward")
    drawn = page.locator("#document").inner_text()
    for words in (
        "Stay in July <b>",
        "Dr Elsewhere",
        "<5 ng/L",
        "final - Normal",
        "Results / Doses",
        "Td vaccine",
        "Amlodipine",
        "High pressure",
        "2 time(s) every 1 d",
    ):
        assert words in drawn
    assert "Penicillin" not in drawn
    assert listed(page) == LISTED
    assert viewer.faults == []


def test_a_file_is_saved_byte_for_byte(viewer: Viewer) -> None:
    page = viewer.open(json.dumps(awkward()).encode())
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download").first.click()
    assert saving.value.path().read_bytes() == PDF
    page.get_by_role("link", name="Download").last.click()
    assert page.url.endswith("/view#not-shown")


def test_what_the_viewer_stops_at_leaves_everything_listed(viewer: Viewer) -> None:
    content = json.dumps(awkward()).encode()
    page = viewer.page
    # As a later version of the viewer might: it meets something that it cannot draw.
    page.add_init_script("Date.prototype.toLocaleDateString = () => { throw new Error('no'); }")
    viewer.open(content)
    expect(page.locator("body")).to_have_attribute("data-state", "failed")
    expect(page.get_by_role("status")).to_contain_text("the viewer stopped at something in it")
    assert page.locator("#document").inner_text() == ""
    assert listed(page) == records(content)


def test_foreign_text_runs_nothing(viewer: Viewer) -> None:
    document = awkward(film="javascript:document.title='run'")
    evil = "</script><script>document.title = 'run'</script><img src=x onerror=alert(1)>"
    document["entry"][0]["resource"]["title"] = evil
    page = viewer.open(json.dumps(document).encode())
    expect(page.locator("body")).to_have_attribute("data-state", "shown")
    assert evil in page.locator("#document").inner_text()
    page.get_by_role("link", name="Download").last.click()
    assert page.title() == "Received document"
    assert viewer.faults == []


def test_a_script_that_never_comes_leaves_everything_listed(viewer: Viewer) -> None:
    content = json.dumps(awkward()).encode()
    viewer.page.route("**/viewer.js", lambda route: route.abort())
    page = viewer.open(content)
    expect(page.get_by_role("status")).to_contain_text("the viewer has not run")
    assert listed(page) == records(content)
