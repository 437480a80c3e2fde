import base64
import json

import pytest
from werkzeug.wrappers import Response

from adapter.protocol.errors import OtpNotSent, Rejected, RetryLater
from adapter.upstream.otp import OtpSender, Template
from tests.unit.upstream.server import serving

MOBILE, TEXT = "9000000017", "123456 is your code"


def test_otp_is_handed_over_as_one_json_object() -> None:
    with serving() as server:
        OtpSender(Template(server.url + "/sms?key=s3cret")).send(MOBILE, TEXT)
    (visit,) = server.visits
    assert visit.method == "POST"
    assert visit.headers["content-type"] == "application/json"
    assert json.loads(visit.body) == {"to": MOBILE, "text": TEXT, "purpose": "care-context-link"}


def test_user_and_password_of_the_address_become_basic_credentials() -> None:
    with serving() as server:
        url = server.url.replace("://", "://hospital:pa%20ss@")
        OtpSender(Template(url)).send(MOBILE, TEXT)
    sent = server.visits[0].headers["authorization"]
    assert sent == "Basic " + base64.b64encode(b"hospital:pa ss").decode()


def test_without_a_service_the_sentence_names_the_setting() -> None:
    with pytest.raises(OtpNotSent, match="OTP_URL is not set"):
        OtpSender(Template("")).send(MOBILE, TEXT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(302, Rejected), (400, Rejected), (403, Rejected), (429, RetryLater), (503, RetryLater)],
)
def test_refusal_tells_neither_number_nor_text_nor_address(
    status: int, kind: type[Exception]
) -> None:
    answer = Response(f"cannot send {TEXT} to {MOBILE}", status, headers={"Location": "/x"})
    with serving(lambda _request: answer) as server, pytest.raises(kind) as caught:
        OtpSender(Template(server.url + "/sms?key=s3cret")).send(MOBILE, TEXT)
    for secret in (MOBILE, "123456", "s3cret"):
        assert secret not in str(caught.value)
    assert len(server.visits) == 1


def test_service_that_is_not_there_is_tried_again_later() -> None:
    with pytest.raises(RetryLater) as caught:
        OtpSender(Template("http://127.0.0.1:1/sms?key=s3cret")).send(MOBILE, TEXT)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_providers_form_is_filled_from_the_template_with_each_value_escaped() -> None:
    with serving() as server:
        template = Template(
            server.url + "/send/91{mobile}",
            headers={"Content-Type": "application/x-www-form-urlencoded", "authkey": "s3cret"},
            body="message={text}&code={otp}",
        )
        OtpSender(template).send(MOBILE, "123456 & {mobile} é", "123456")
    (visit,) = server.visits
    assert visit.path == f"/send/91{MOBILE}"
    assert visit.headers["authkey"] == "s3cret"
    assert visit.body == b"message=123456+%26+%7Bmobile%7D+%C3%A9&code=123456"


def test_a_template_of_json_stays_json_whatever_the_text_holds() -> None:
    with serving() as server:
        body = '{"recipients": [{"mobiles": "91{mobile}", "VAR1": "{otp}"}], "t": "{text}"}'
        OtpSender(Template(server.url, body=body)).send(MOBILE, 'say "123456"\n', "123456")
    sent = json.loads(server.visits[0].body)
    assert sent["recipients"] == [{"mobiles": f"91{MOBILE}", "VAR1": "123456"}]
    assert sent["t"] == 'say "123456"\n'


def test_a_provider_that_wants_get_has_everything_in_the_address() -> None:
    with serving() as server:
        url = server.url + "/api/{mobile}/{text}"
        OtpSender(Template(url, method="GET")).send(MOBILE, "a b?", "1")
    (visit,) = server.visits
    assert (visit.method, visit.body) == ("GET", b"")
    assert visit.path == f"/api/{MOBILE}/a b?"
