"""A counter's QR code drawn: as PNG, as SVG, and as a page to print and put up. Pure.

Error correction "quartile": a laminated poster gets scratches and glare.
"""

from __future__ import annotations

import io
from html import escape

import segno

_BORDER = 4


def png(url: str, *, scale: int = 10) -> bytes:
    """The code as a PNG image."""
    out = io.BytesIO()
    _code(url).save(out, kind="png", scale=scale, border=_BORDER)
    return out.getvalue()


def svg(url: str, *, scale: int = 10) -> str:
    """The code as an SVG image, complete by itself."""
    out = io.BytesIO()
    _code(url).save(out, kind="svg", scale=scale, border=_BORDER)
    return out.getvalue().decode()


def page(url: str, facility: str, counter: str) -> str:
    """A page for one counter in English and Hindi; it loads nothing from anywhere."""
    code = _code(url).svg_inline(scale=9, border=_BORDER)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(facility)} · {escape(counter)}</title>
<style>
@page {{ size: A4 portrait; margin: 18mm }}
body {{ font-family: "Noto Sans", "Noto Sans Devanagari", sans-serif; text-align: center;
       color: #111; margin: 0 }}
h1 {{ font-size: 26pt; margin: 0 0 4mm }}
h2 {{ font-size: 20pt; font-weight: 600; margin: 0 0 8mm }}
p {{ font-size: 15pt; margin: 3mm 0 }}
svg {{ width: 120mm; height: 120mm }}
small {{ font-size: 10pt; color: #444; overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{escape(facility)}</h1>
<h2>Counter {escape(counter)}</h2>
{code}
<p>Scan with your ABHA app to share your profile and get a token number.</p>
<p lang="hi">अपना विवरण साझा करने और टोकन नंबर पाने के लिए इसे अपने ABHA ऐप से स्कैन करें।</p>
<small>{escape(url)}</small>
</body>
</html>
"""


def _code(url: str) -> segno.QRCode:
    return segno.make_qr(url, error="q")
