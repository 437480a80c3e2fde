"""The QR codes of ABHA cards and apps, in every form seen, and the cards as pictures.

A picture is a PNG of the QR; the text on a printed card is not drawn. Source: M0/M1 document,
section 16.
"""

import io
import json
from collections.abc import Callable

import segno

from conformance.simulator.abha_state import Account
from conformance.simulator.lookups import PatientMistake

Builder = Callable[[Account], str]
_CARD_COLOUR = "#0b3d91"


def _text(members: dict[str, str]) -> str:
    return json.dumps(members, ensure_ascii=False)


def _common(account: Account) -> dict[str, str]:
    person = account.person
    return {"hidn": account.number, "name": person.name, "gender": person.gender}


def _date(account: Account, separator: str, padded: bool = False) -> str:
    born = account.person.born
    parts = [f"{born:%d}", f"{born:%m}"] if padded else [str(born.day), str(born.month)]
    return separator.join([*parts, str(born.year)])


def _card(account: Account) -> str:
    person = account.person
    return _text(
        {
            **_common(account),
            "hid": account.preferred,
            "statelgd": person.state_code,
            "distlgd": person.district_code,
            "dob": _date(account, "/"),
            "state name": person.state,
            "district_name": person.district,
            "mobile": account.mobile or person.mobile,
            "address": person.address,
        }
    )


def _app(account: Account) -> str:
    return _text(
        {
            **_common(account),
            "phr": account.preferred,
            "statelgd": account.person.state_code,
            "distlgd": "-",
            "dob": _date(account, "-"),
            "address": account.person.address,
        }
    )


def _spaced(account: Account) -> str:
    return _text(
        {
            **_common(account),
            "phr": account.preferred,
            "dob": _date(account, "-", padded=True),
            "address": account.person.address,
            "dist name": account.person.district,
            "state name": account.person.state,
        }
    )


def _camel(account: Account) -> str:
    return _text(
        {
            "HIDN": account.number,
            "Hid": account.preferred,
            "Name": account.person.name,
            "Gender": account.person.gender,
            "dob": _date(account, "/", padded=True),
            "stateName": account.person.state,
            "distName": account.person.district,
        }
    )


def _underscored(account: Account) -> str:
    return _text(
        {
            **_common(account),
            "hid": account.preferred,
            "dob": _date(account, "-"),
            "state_name": account.person.state,
            "dist_name": account.person.district,
        }
    )


def _number_only(account: Account) -> str:
    return _text({**_common(account), "dob": _date(account, "/")})


def _address_only(account: Account) -> str:
    return _text({"phr": account.preferred, "name": account.person.name, "gender": "U"})


FORMS: dict[str, Builder] = {
    "card": _card,
    "app": _app,
    "spaced": _spaced,
    "camel": _camel,
    "underscored": _underscored,
    "number-only": _number_only,
    "address-only": _address_only,
    "malformed-json": lambda account: _card(account)[:-8],
    "no-identity": lambda account: _text({"name": account.person.name, "gender": "F"}),
    "bad-number": lambda account: _text({**_common(account), "hidn": "91-22", "hid": ""}),
    "bad-date": lambda account: _text({**_common(account), "dob": "31/02/1984"}),
    "not-an-object": lambda account: json.dumps([account.number]),
    "face-auth-url": lambda _account: (
        "https://phrsbx.abdm.gov.in/face-auth?txnId=00000501-5b1e-4c60-9d2a-6f0c1e9a7b34"
    ),
    "foreign-text": lambda _account: "upi://pay?pa=shop@example",
}


def payload(account: Account, form: str) -> str:
    """The text inside an account's QR in one of FORMS; the last seven are ones to be refused."""
    if form not in FORMS:
        raise PatientMistake(f"There is no QR form {form!r}; choose from {', '.join(FORMS)}.")
    return FORMS[form](account)


def qr(text: str, colour: str = "#000000") -> bytes:
    """A QR code as PNG."""
    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind="png", scale=5, dark=colour)
    return drawn.getvalue()


def card(account: Account) -> bytes:
    """An account's card as PNG."""
    return qr(_card(account), _CARD_COLOUR)
