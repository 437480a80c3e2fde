"""Faults are tried on the hospital that the flows are tried on."""

from tests.flows.conftest import site

__all__ = ["site"]
