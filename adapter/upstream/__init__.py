"""Whom we call: the gateway, push URLs, the OTP provider."""
