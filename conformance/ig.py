"""Where ABDM's implementation guide (the FHIR package `ndhm.in`) is to be had.

One answer for everything that starts a FHIR server or decides whether validation can be tested.
Must not read the package: the FHIR server does.
"""

from __future__ import annotations

import os
from pathlib import Path

import requests

# NRCeS publishes the current release of https://nrces.in/ndhm/fhir/r4 here.
DEFAULT_URL = "https://nrces.in/ndhm/fhir/r4/package.tgz"
REPOSITORY_FALLBACK = Path(__file__).resolve().parents[2] / "shared" / "fhir" / "ndhm.in-6.5.0.tgz"
NO_GUIDE = "none"
_REACH_TIMEOUT_S = 5


def guide_package() -> str | None:
    """The path or URL of the guide's package; None when ABDM_IG_PACKAGE is `none`.

    `ABDM_IG_PACKAGE` decides where it is set; else a copy that lies beside the repository is used;
    else the URL under which NRCeS publishes it.
    """
    configured = os.environ.get("ABDM_IG_PACKAGE", "").strip()
    if configured:
        return None if configured.lower() == NO_GUIDE else configured
    if REPOSITORY_FALLBACK.is_file():
        return str(REPOSITORY_FALLBACK)
    return DEFAULT_URL


def guide_available() -> tuple[bool, str]:
    """Whether the guide can be had now, and a sentence that says from where or why not."""
    package = guide_package()
    if package is None:
        return False, "no implementation guide is wanted, since ABDM_IG_PACKAGE is `none`"
    if not package.lower().startswith(("http://", "https://")):
        if Path(package).is_file():
            return True, f"the implementation guide is at {package}"
        return False, f"there is no implementation guide at {package} (ABDM_IG_PACKAGE)"
    try:
        with requests.get(package, timeout=_REACH_TIMEOUT_S, stream=True) as answer:
            status = answer.status_code
    except requests.RequestException as unreachable:
        reason = type(unreachable).__name__
        return False, (
            f"the implementation guide cannot be fetched from {package} ({reason}); set"
            " ABDM_IG_PACKAGE to the path of ndhm.in-6.5.0.tgz"
        )
    if status != requests.codes.ok:
        return False, (
            f"{package} answered {status} for the implementation guide; set ABDM_IG_PACKAGE to the"
            " path of ndhm.in-6.5.0.tgz"
        )
    return True, f"the implementation guide is at {package}"
