"""What the proof of a patient's wish to link remembers (v0.5). Plain records."""

from dataclasses import dataclass
from datetime import datetime


@dataclass
class UserAuth:
    """A patient's proof to a HIP or HIU under way (v0.5): by OTP, demographics or in the app.

    `requester` is HIP or HIU, `purpose` LINK, KYC or KYC_AND_LINK, `status` OPEN, GRANTED or
    DENIED. `otp` is empty where none was sent.
    """

    id: str
    abha_address: str
    service_id: str
    requester: str
    purpose: str
    mode: str
    otp: str
    expires_at: datetime
    tries: int = 0
    status: str = "OPEN"
    acknowledged: bool = False
