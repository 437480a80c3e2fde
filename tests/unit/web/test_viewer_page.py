"""The viewer's page at its edge: its policy, its files, and what it says while it is not built."""

from pathlib import Path

import pytest

from adapter.web.viewer import POLICY
from tests.unit.web.conftest import Edge, MakeEdge

KEY = "key-for-everything-1"
WHO = {"Authorization": f"Bearer {KEY}", "X-User": "Dr. Rao"}
PAGE = "/hims/v1/received/rcv-1/view"
SCRIPT, STYLE = "/hims/v1/viewer/viewer.js", "/hims/v1/viewer/viewer.css"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """VIEWER_DIR as a build leaves it."""
    made = tmp_path / "viewer"
    made.mkdir()
    (made / "viewer.js").write_text("let script;")
    (made / "viewer.css").write_text("p { color: red }")
    (made / "other.txt").write_text("not for anybody")
    return made


@pytest.fixture
def edge(make_edge: MakeEdge, folder: Path) -> Edge:
    return make_edge(hims_api_keys=KEY, viewer_dir=folder)


@pytest.mark.parametrize("path", [PAGE, SCRIPT, STYLE, "/hims/v1/viewer/other.txt"])
@pytest.mark.parametrize("headers", [WHO, {}], ids=["known", "unknown"])
def test_every_answer_has_the_policy_and_is_kept_nowhere(
    edge: Edge, path: str, headers: dict[str, str]
) -> None:
    answer = edge.client.get(path, headers=headers)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_policy_lets_our_script_and_style_in_and_nothing_else() -> None:
    allowed = dict(part.split(" ", 1) for part in POLICY.split("; "))
    nothing = ("default-src", "base-uri", "form-action", "frame-ancestors")
    assert allowed == {"script-src": "'self'", "style-src": "'self'"} | dict.fromkeys(
        nothing, "'none'"
    )


@pytest.mark.parametrize("path", [PAGE, SCRIPT])
def test_without_a_key_there_is_no_page_and_no_file(edge: Edge, path: str) -> None:
    answer = edge.client.get(path)
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert "HIMS_API_KEYS" in answer.text
    assert KEY not in answer.text


def test_nobody_named_is_a_bad_request(edge: Edge) -> None:
    answer = edge.client.get(PAGE, headers={"Authorization": WHO["Authorization"]})
    assert (answer.status_code, answer.mimetype) == (400, "text/html")


def test_the_two_files_are_served_and_no_other(edge: Edge) -> None:
    script, style = (edge.client.get(path, headers=WHO) for path in (SCRIPT, STYLE))
    assert (script.text, script.mimetype) == ("let script;", "text/javascript")
    assert (style.text, style.mimetype) == ("p { color: red }", "text/css")
    for name in ("other.txt", "..%2Fadapter.db", "package.json"):
        assert edge.client.get(f"/hims/v1/viewer/{name}", headers=WHO).status_code == 404


@pytest.mark.parametrize("missing", ["viewer.js", "viewer.css"])
def test_a_viewer_that_is_not_built_says_how_it_is_built(
    edge: Edge, folder: Path, missing: str
) -> None:
    (folder / missing).unlink()
    answer = edge.client.get(PAGE, headers=WHO)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "abdm-adapter viewer build" in answer.text
    assert edge.client.get(SCRIPT, headers=WHO).status_code == 404


def test_an_unknown_document_is_a_page_that_says_so(edge: Edge) -> None:
    answer = edge.client.get(PAGE, headers=WHO)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "have received no document with this id" in answer.text
