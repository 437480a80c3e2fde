"""The calls the ABHA service serves, as one table.

Source: M0/M1 document, sections 4, 5.4, 9, 10 and 11. Biometric, demographic, child and document
enrolment are not served: hospitals do not need them.
"""

from conformance.simulator import (
    abha_address_login,
    abha_enrolment,
    abha_login,
    abha_profile,
)
from conformance.simulator.abha_checks import AbhaOperation, Schemas

BASE = "/abha/api/v3"
_ENROL = f"{BASE}/enrollment"
_LOGIN = f"{BASE}/profile/login"
_ACCOUNT = f"{BASE}/profile/account"
_ADDRESS = f"{BASE}/phr/web/login"


def _by(*rows: tuple[str, str | None, str]) -> Schemas:
    """Schemas by (scope, loginHint), the scope written with blanks between its parts."""
    return {(frozenset(scope.split()), hint): name for scope, hint, name in rows}


OPERATIONS: tuple[AbhaOperation, ...] = (
    AbhaOperation(
        "AbhaCertificate", "GET", f"{BASE}/profile/public/certificate", abha_profile.certificate
    ),
    AbhaOperation(
        "AbhaEnrolOtp",
        "POST",
        f"{_ENROL}/request/otp",
        abha_enrolment.request_otp,
        schemas=_by(
            ("abha-enrol", "aadhaar", "EnrolOtpAadhaarRequest"),
            ("abha-enrol mobile-verify", "mobile", "EnrolOtpMobileRequest"),
            ("abha-enrol email-verify", "email", "EnrolOtpEmailRequest"),
        ),
    ),
    AbhaOperation(
        "AbhaEnrol",
        "POST",
        f"{_ENROL}/enrol/byAadhaar",
        abha_enrolment.enrol,
        "EnrolByAadhaarOtpRequest",
    ),
    AbhaOperation(
        "AbhaEnrolVerify",
        "POST",
        f"{_ENROL}/auth/byAbdm",
        abha_enrolment.verify_contact,
        schemas=_by(
            ("abha-enrol mobile-verify", None, "EnrolVerifyMobileRequest"),
            ("abha-enrol email-verify", None, "EnrolVerifyEmailRequest"),
        ),
    ),
    AbhaOperation("AbhaSuggestions", "GET", f"{_ENROL}/enrol/suggestion", abha_enrolment.suggest),
    AbhaOperation(
        "AbhaSetAddress",
        "POST",
        f"{_ENROL}/enrol/abha-address",
        abha_enrolment.set_address,
        "SetAddressRequest",
    ),
    AbhaOperation(
        "AbhaNumberSearch",
        "POST",
        f"{_LOGIN}/search",
        abha_login.search_number,
        "SearchByNumberRequest",
    ),
    AbhaOperation(
        "AbhaMobileSearch",
        "POST",
        f"{_ACCOUNT}/abha/search",
        abha_login.search_mobile,
        "SearchByMobileRequest",
    ),
    AbhaOperation(
        "AbhaLoginOtp",
        "POST",
        f"{_LOGIN}/request/otp",
        abha_login.request_otp,
        schemas=_by(
            ("abha-login aadhaar-verify", "abha-number", "LoginOtpAbhaNumberAadhaarRequest"),
            ("abha-login mobile-verify", "abha-number", "LoginOtpAbhaNumberMobileRequest"),
            ("abha-login aadhaar-verify", "aadhaar", "LoginOtpAadhaarRequest"),
            ("abha-login mobile-verify", "mobile", "LoginOtpMobileRequest"),
            ("abha-login search-abha mobile-verify", "index", "LoginOtpIndexMobileRequest"),
            ("abha-login search-abha aadhaar-verify", "index", "LoginOtpIndexAadhaarRequest"),
        ),
    ),
    AbhaOperation(
        "AbhaLoginVerify",
        "POST",
        f"{_LOGIN}/verify",
        abha_login.verify,
        schemas=_by(
            ("abha-login aadhaar-verify", None, "LoginVerifyAadhaarRequest"),
            ("abha-login mobile-verify", None, "LoginVerifyMobileRequest"),
            ("abha-login search-abha mobile-verify", None, "LoginVerifyIndexMobileRequest"),
            ("abha-login search-abha aadhaar-verify", None, "LoginVerifyIndexAadhaarRequest"),
        ),
    ),
    AbhaOperation(
        "AbhaLoginUser",
        "POST",
        f"{_LOGIN}/verify/user",
        abha_login.choose_user,
        "VerifyUserRequest",
    ),
    AbhaOperation(
        "AbhaAddressSearch",
        "POST",
        f"{_ADDRESS}/abha/search",
        abha_address_login.search,
        "AddressSearchRequest",
        arrays=True,
        header_status=404,
    ),
    AbhaOperation(
        "AbhaAddressOtp",
        "POST",
        f"{_ADDRESS}/abha/request/otp",
        abha_address_login.request_otp,
        schemas=_by(
            ("abha-address-login mobile-verify", "abha-address", "AddressOtpMobileRequest"),
            ("abha-address-login aadhaar-verify", "abha-address", "AddressOtpAadhaarRequest"),
        ),
        arrays=True,
    ),
    AbhaOperation(
        "AbhaAddressVerify",
        "POST",
        f"{_ADDRESS}/abha/verify",
        abha_address_login.verify,
        schemas=_by(
            ("abha-address-login mobile-verify", None, "AddressVerifyMobileRequest"),
            ("abha-address-login aadhaar-verify", None, "AddressVerifyAadhaarRequest"),
        ),
        arrays=True,
    ),
    AbhaOperation(
        "AbhaAddressProfile",
        "GET",
        f"{_ADDRESS}/profile/abha-profile",
        abha_address_login.profile,
    ),
    AbhaOperation(
        "AbhaAddressCard", "GET", f"{_ADDRESS}/profile/abha/phr-card", abha_address_login.card
    ),
    AbhaOperation(
        "AbhaAddressQr", "GET", f"{_ADDRESS}/profile/abha/qr-code", abha_address_login.qr
    ),
    AbhaOperation("AbhaProfile", "GET", _ACCOUNT, abha_profile.profile, header_status=404),
    AbhaOperation(
        "AbhaProfileChange", "PATCH", _ACCOUNT, abha_profile.change_photo, "ProfilePatchRequest"
    ),
    AbhaOperation("AbhaQr", "GET", f"{_ACCOUNT}/qrCode", abha_profile.qr, header_status=404),
    AbhaOperation("AbhaCard", "GET", f"{_ACCOUNT}/abha-card", abha_profile.card, header_status=404),
    AbhaOperation(
        "AbhaCardFile",
        "GET",
        f"{_ACCOUNT}/download-abha-card",
        abha_profile.card,
        header_status=404,
    ),
    AbhaOperation(
        "AbhaAccountOtp",
        "POST",
        f"{_ACCOUNT}/request/otp",
        abha_profile.request_otp,
        schemas=_by(
            ("abha-profile mobile-verify", "mobile", "ProfileOtpMobileRequest"),
            ("abha-profile email-verify", "email", "ProfileOtpEmailRequest"),
            ("abha-profile re-kyc", "abha-number", "ProfileOtpReKycRequest"),
        ),
    ),
    AbhaOperation(
        "AbhaAccountVerify",
        "POST",
        f"{_ACCOUNT}/verify",
        abha_profile.verify,
        schemas=_by(
            ("abha-profile mobile-verify", None, "ProfileVerifyMobileRequest"),
            ("abha-profile email-verify", None, "ProfileVerifyEmailRequest"),
            ("abha-profile re-kyc", None, "ProfileVerifyReKycRequest"),
        ),
    ),
    AbhaOperation(
        "AbhaTokenRefresh",
        "GET",
        f"{_ACCOUNT}/request/token",
        abha_profile.refresh,
        header_status=404,
    ),
    AbhaOperation("AbhaLogout", "GET", f"{_ACCOUNT}/request/logout", abha_profile.logout),
)
