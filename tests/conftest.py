"""What every layer shares: one real HAPI per run, and honest reasons for what is not run."""

import shutil

import pytest
from hypothesis import HealthCheck, settings

from conformance import ig

pytest_plugins = ["tests.hapi_fixture", "tests.server_fixtures"]

# The same change gives the same verdict twice, on a slow machine too. To look for more:
# `pytest --hypothesis-profile=default tests/unit`.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests whose outside tool cannot be had are reported as not run, with that reason."""
    guide_there, guide_reason = ig.guide_available()
    chromium_there = shutil.which("chromium") is not None
    for item in items:
        if item.get_closest_marker("guide") and not guide_there:
            item.add_marker(pytest.mark.skip(reason=f"not run: {guide_reason}"))
        if item.get_closest_marker("browser") and not chromium_there:
            reason = "not run: Chromium is not installed (Debian package `chromium`)"
            item.add_marker(pytest.mark.skip(reason=reason))
