"""What the generations call differently: identifiers and HI types."""

from collections.abc import Iterable

from conformance.simulator.errors import HI_TYPES

# Identifier types: the name in v0.5, the name in V3.
IDENTIFIERS = {"NDHM_HEALTH_NUMBER": "ABHA_NUMBER", "HEALTH_ID": "ABHA_ADDRESS"}

OLDER_HI_TYPES = tuple(name for name in HI_TYPES if name != "Invoice")


def older_hi_types(hi_types: Iterable[str]) -> list[str]:
    """Those HI types that v0.5 knows: all but Invoice."""
    return [name for name in hi_types if name in OLDER_HI_TYPES]
