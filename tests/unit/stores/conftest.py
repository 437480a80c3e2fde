"""One Adapter over a fresh SQLite file and a clock that stands still."""

from pathlib import Path

import pytest

from adapter.runtime import Adapter
from tests import rig


@pytest.fixture
def clock() -> rig.FrozenClock:
    return rig.FrozenClock()


@pytest.fixture
def adapter(tmp_path: Path, clock: rig.FrozenClock) -> Adapter:
    return rig.adapter_over(rig.sqlite_url(tmp_path), clock)
