"""A received document as a page: who may see it, what it holds, and that each look is noted."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.app import create_app
from adapter.flows import archive
from adapter.rules.states import HiuArtefactState
from mappings.viewer import viewed
from tests.flows.harness import Site
from tests.flows.hims import LIMITED, WHOLE, Hospital
from tests.flows.received import Given, give
from tests.flows.test_received_records import views
from tests.unit.mappings.viewer_documents import LISTED, awkward

pytestmark = pytest.mark.hapi

CONTENT = json.dumps(awkward()).encode()
BLOCK = re.compile(r'<script type="application/json" id="bundle">(.*?)</script>')
ROW = re.compile(r"<tr( class=\"drawn\")?><td>(.*?)</td><td>(.*?)</td>")


@pytest.fixture
def given(site: Site, hospital: Hospital, tmp_path: Path) -> Given:
    """A received document, before an adapter whose viewer is built."""
    for name in ("viewer.js", "viewer.css"):
        (tmp_path / name).write_text("")
    config = site.adapter.config.model_copy(update={"viewer_dir": tmp_path})
    site.adapter = replace(site.adapter, config=config)
    hospital.client = create_app(site.adapter).test_client()
    return give(site, CONTENT)


def page(hospital: Hospital, given: Given, key: str = WHOLE) -> Any:
    return hospital.get(f"received/{given.documents[0].document_id}/view", key)


def test_the_page_holds_the_document_and_lists_what_is_not_shown(
    site: Site, hospital: Hospital, given: Given
) -> None:
    answer = page(hospital, given)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    rows = ROW.findall(answer.text)
    not_drawn = {(kind, title) for drawn, kind, title in rows if not drawn}
    assert not_drawn == LISTED | {("Patient", "Asha Verma")}
    assert ("Composition", "Stay in July &lt;b&gt;") in {(kind, title) for _, kind, title in rows}
    assert "Asha Verma, female, 1991-04-02" in answer.text
    (block,) = BLOCK.findall(answer.text)
    assert json.loads(block) == viewed(CONTENT).bundle
    (event,) = views(site)
    assert "Sister Mary" in json.dumps(event["agent"])


def test_no_text_of_a_document_ends_the_block_that_it_stands_in(
    site: Site, hospital: Hospital, given: Given
) -> None:
    document = awkward()
    document["entry"][0]["resource"]["title"] = "</script><script>alert(1)</script><!--"
    given = give(site, json.dumps(document).encode())
    answer = page(hospital, given)
    assert answer.text.count("<script") == answer.text.count("</script>") == 2


def test_bytes_that_are_no_document_are_a_page_without_script(
    site: Site, hospital: Hospital, given: Given
) -> None:
    answer = page(hospital, give(site, b"no FHIR at all"))
    assert answer.status_code == 200
    assert 'data-state="nothing"' in answer.text
    assert "only the bytes as received are kept" in answer.text
    assert "<script" not in answer.text


def test_another_facility_and_an_ended_consent_see_nothing(
    site: Site, hospital: Hospital, given: Given
) -> None:
    assert page(hospital, given, LIMITED).status_code == 404
    archive.note_end(site.adapter, given.artefact_id, HiuArtefactState.REVOKED)
    answer = page(hospital, given)
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert "The patient revoked the consent on 2026-11-23T18:29:30.000Z" in answer.text
    assert "Asha" not in answer.text
    (event,) = views(site)
    assert event["outcome"] == "4"


def test_while_the_consent_cannot_be_read_the_page_says_so(
    site: Site, hospital: Hospital, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.adapter.fhir._client, "url", "http://127.0.0.1:9/fhir")
    answer = page(hospital, given)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "The FHIR server cannot be reached now" in answer.text
