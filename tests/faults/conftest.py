"""Faults are tried on the hospital that the flows are tried on."""

from tests.flows.conftest import database_url, site

__all__ = ["database_url", "site"]
