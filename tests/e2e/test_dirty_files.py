"""A folder of dirty files through `--hip-documents`: none is lost, and none stops the others."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import journey_files, journey_hip
from conformance import stack as stacks
from conformance.journey import FileSeen, Journey
from tests.e2e import dirty_files

pytestmark = [pytest.mark.hapi]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dirty files."""
    made = tmp_path_factory.mktemp("dirty")
    dirty_files.write(made)
    return made


@pytest.fixture(scope="module")
def seen(
    hapi: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, FileSeen]]:
    """What the journey with the folder says of each file, by name."""
    place = tmp_path_factory.mktemp("stack-with-files")
    with stacks.start(
        place,
        fhir_url=hapi.base_url,
        fhir_token=hapi.token,
        settings={"WATCH_RECORDS": "false"},
        hip_documents=folder,
    ) as stack:
        journey = Journey(stack)
        journey_hip.register(journey)
        journey_files.STEP.act(journey)
        yield {one.name: one for one in journey.files}


def test_every_file_with_bytes_is_kept_byte_for_byte(
    seen: dict[str, FileSeen], folder: Path
) -> None:
    files = {path.name: path for path in folder.iterdir()}
    assert set(seen) == set(files)
    for name, path in files.items():
        assert seen[name].verbatim is (path.stat().st_size > 0), name
        assert seen[name].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "flag", "stored"),
    [(name, flag, stored) for name, _, flag, stored in dirty_files.FILES],
    ids=[name for name, *_ in dirty_files.FILES],
)
def test_what_is_wrong_is_flagged_and_what_can_be_read_is_stored(
    seen: dict[str, FileSeen], name: str, flag: str | None, stored: bool
) -> None:
    one = seen[name]
    codes = [said.split(":")[0] for said in one.flags]
    assert flag in codes if flag else codes == []
    assert (one.stored > 0) is stored


def test_a_scan_of_30_mb_becomes_resources(seen: dict[str, FileSeen]) -> None:
    assert seen["big.json"].stored == 3
    assert seen["big.json"].flags == []
