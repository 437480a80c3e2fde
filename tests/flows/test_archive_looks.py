"""Who looks into the archive sees why and when, never what; whoever erases is named."""

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapter.cli import main
from adapter.flows import archive
from adapter.protocol import timestamps
from adapter.rules.states import HiuArtefactState
from adapter.runtime import system_clock
from tests.flows.harness import Site
from tests.flows.hims import LIMITED, WHOLE, Hospital
from tests.flows.received import Given, bundle, give

pytestmark = pytest.mark.hapi

WORD = "Unmistakable"


@pytest.fixture
def given(site: Site) -> Given:
    """An artefact with one document, revoked 60 days before the commands' clock and archived."""
    site.clock.now = system_clock() - timedelta(days=60)
    made = give(site, bundle(note=WORD), erase_at=site.clock() + timedelta(days=90))
    archive.note_end(site.adapter, made.artefact_id, HiuArtefactState.REVOKED)
    site.run()
    return made


def command(site: Site, *arguments: str) -> Result:
    """`abdm-adapter …` with the site's settings."""
    config = site.adapter.config
    environment = {
        "ABDM_CLIENT_ID": config.abdm_client_id,
        "ABDM_CLIENT_SECRET": "secret-of-a-test",
        "ABDM_FACILITIES": f"{site.hfr_id}={site.hip_id}",
        "DATABASE_URL": config.database_url.get_secret_value(),
        "SEAL_KEYS": ",".join(key.get_secret_value() for key in config.seal_keys),
        "FHIR_BASE_URL": config.fhir_base_url,
    }
    return CliRunner().invoke(main, arguments, env=environment)


def get(hospital: Hospital, path: str, key: str = WHOLE) -> Any:
    headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
    return hospital.client.get(f"/hims/v1/{path}", headers=headers)


def test_list_and_show_tell_reason_dates_and_digest_and_no_content(
    site: Site, given: Given
) -> None:
    document = given.documents[0]
    listed = command(site, "archive", "list", "--json")
    shown = command(site, "archive", "show", document.document_id, "--json")
    assert (listed.exit_code, shown.exit_code) == (0, 0)
    assert json.loads(listed.output) == json.loads(shown.output)
    row = json.loads(shown.output)
    assert (row["reason"], row["sha256"], row["size"], row["ended_at"]) == (
        "REVOKED",
        document.sha256,
        document.size,
        timestamps.format(site.clock()),
    )
    for text in (listed.output, command(site, "archive", "show", document.document_id).output):
        assert WORD not in text
        assert "Asha" not in text


def test_erasing_by_id_leaves_the_row_and_names_who_ordered_it(site: Site, given: Given) -> None:
    document_id = given.documents[0].document_id
    done = command(site, "archive", "erase", document_id, "--user", "Sister Mary", "--json")
    assert json.loads(done.output) == {"id": document_id, "erased": True}
    assert site.rows("archive_chunk") == []
    assert site.row("archive")["erased_at"] is not None
    site.clock.now = system_clock()
    site.run()
    assert given.row["state"] == "ERASED"
    (event,) = [e for e in site.audits() if e["subtype"][0]["code"] == "record:archive:erase"]
    assert "Sister Mary" in json.dumps(event["agent"])
    again = command(site, "archive", "erase", document_id, "--json")
    assert json.loads(again.output) == {"id": document_id, "erased": False}


def test_erase_due_takes_those_whose_time_is_over(site: Site, given: Given) -> None:
    site.clock.now = system_clock()
    kept = give(site, bundle())
    archive.note_end(site.adapter, kept.artefact_id, HiuArtefactState.REVOKED)
    archive.advance_ending(site.adapter, kept.artefact_id)
    assert len(site.rows("archive_chunk")) == 2
    due, later = given.documents[0].document_id, kept.documents[0].document_id
    done = command(site, "archive", "erase", "--due", "--json")
    assert (done.exit_code, json.loads(done.output)) == (0, {"id": due, "erased": True})
    assert [row["archive_id"] for row in site.rows("archive_chunk")] == [later]


def test_an_unknown_id_and_no_id_are_told_apart(site: Site) -> None:
    unknown = command(site, "archive", "show", "rcv-nobody")
    assert unknown.exit_code == 1
    assert "There is no archived document" in unknown.output
    assert command(site, "archive", "erase").exit_code == 2


def test_the_api_shows_the_archive_to_its_own_facility_only(
    hospital: Hospital, given: Given
) -> None:
    document_id = given.documents[0].document_id
    shown = get(hospital, f"archive/{document_id}")
    assert shown.status_code == 200
    assert (shown.json["reason"], shown.json["sha256"]) == ("REVOKED", given.documents[0].sha256)
    assert get(hospital, "archive").json["archive"] == [shown.json]
    assert WORD not in shown.text
    assert get(hospital, f"archive/{document_id}", LIMITED).status_code == 404
    assert get(hospital, "archive", LIMITED).json == {"archive": []}
