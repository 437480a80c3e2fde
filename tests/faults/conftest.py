"""Faults are tried on the hospital that the flows are tried on."""

from tests.flows.conftest import database_url, pytest_generate_tests, site

__all__ = ["database_url", "pytest_generate_tests", "site"]
