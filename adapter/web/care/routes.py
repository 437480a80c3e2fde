"""CARE's routes and what they share: both prefixes, a closing slash or none, pages, refusals.

CARE's front end shows a refusal's `detail`; it stands beside the `error` of all our routes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, jsonify

from adapter.runtime import Adapter
from adapter.web import errors
from adapter.web.answering import hims_route
from adapter.web.care import abha, consents, facilities, healthid

#: Of the plug's front end since 2024-10, and of CARE itself before.
PREFIXES = ("/api/abdm", "/api/v1/abdm")

_ROUTES: tuple[tuple[str, str, Callable[..., Response]], ...] = (
    ("/health_facility", "GET", facilities.listed),
    ("/health_facility", "POST", facilities.create),
    ("/health_facility/<facility_id>", "GET", facilities.show),
    ("/health_facility/<facility_id>", "PUT", facilities.update),
    ("/health_facility/<facility_id>", "PATCH", facilities.change),
    ("/health_facility/<facility_id>/register_service", "POST", facilities.register),
    ("/consent", "GET", consents.listed),
    ("/consent", "POST", consents.create),
    ("/consent/<request_id>", "GET", consents.show),
    ("/consent/<request_id>/status", "GET", consents.ask_status),
    ("/v3/hiu/consent_request_status", "POST", consents.ask_status_of),
    ("/health_information/<consent_id>", "GET", consents.health_information),
    ("/abha_number", "POST", abha.create),
    ("/abha_number/<abha_id>", "GET", abha.show),
    ("/v3/health_id/create/send_aadhaar_otp", "POST", abha.send_aadhaar_otp),
    ("/v3/health_id/create/verify_aadhaar_otp", "POST", abha.verify_aadhaar_otp),
    ("/v3/health_id/create/link_mobile_number", "POST", abha.link_mobile_number),
    ("/v3/health_id/create/verify_mobile_otp", "POST", abha.verify_mobile_otp),
    ("/v3/health_id/create/abha_address_suggestion", "POST", abha.suggest_addresses),
    ("/v3/health_id/create/enrol_abha_address", "POST", abha.enrol_address),
    ("/v3/health_id/link_patient", "POST", abha.link_patient),
    ("/v3/health_id/login/check_auth_methods", "POST", abha.auth_methods),
    ("/v3/health_id/login/send_otp", "POST", abha.send_login_otp),
    ("/v3/health_id/login/verify_otp", "POST", abha.verify_login_otp),
    ("/v3/health_id/abha_card", "GET", abha.card),
    ("/healthid/search_by_health_id", "POST", healthid.search),
    ("/healthid/auth_init", "POST", healthid.auth_init),
    ("/healthid/confirm_with_aadhaar_otp", "POST", healthid.confirm),
    ("/healthid/confirm_with_mobile_otp", "POST", healthid.confirm),
    ("/healthid/link_via_qr", "POST", healthid.link_via_qr),
    ("/healthid/get_abha_card", "POST", healthid.card),
    ("/healthid/add_care_context", "POST", healthid.add_care_context),
)


def register(app: Flask, adapter: Adapter) -> None:
    """Add CARE's routes to `app`, under each prefix."""
    api = Blueprint("care", __name__)
    for path, method, view in _ROUTES:
        name = f"{method}{path}".replace("/", "_")
        hims_route(adapter, api, path, method, view, endpoint=name)
        hims_route(adapter, api, f"{path}/", method, view, endpoint=f"{name}_closed")
    api.register_error_handler(Exception, _refusal)
    api.after_request(_not_kept)
    for prefix in PREFIXES:
        app.register_blueprint(api, url_prefix=prefix, name=f"care{prefix.replace('/', '_')}")


def _not_kept(response: Response) -> Response:
    """Persons and records: no cache may keep them."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _refusal(error: Exception) -> tuple[Response, int]:
    response, status = errors.answer(error)
    content: dict[str, Any] = response.get_json()
    return jsonify(content | {"detail": content["error"]["message"]}), status
