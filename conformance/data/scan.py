"""A small real PDF, as a scanner at the counter would attach it to a visit.

Only for the demo hospital: one A5 page of ASCII lines in a built-in font, the same bytes each time.
"""

_TOP, _LEADING = 560, 16


def _escape(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def pdf(lines: list[str]) -> bytes:
    """Return a one-page PDF 1.4 with these lines of text, the first one larger.

    Raises:
        UnicodeEncodeError: a line is not ASCII; the built-in fonts have no Devanagari.
    """
    heading, *rest = [_escape(line) for line in lines]
    shown = "".join(f"0 -{_LEADING} Td ({line}) Tj\n" for line in rest)
    text = f"BT /F1 14 Tf 40 {_TOP} Td ({heading}) Tj\n/F1 10 Tf\n{shown}ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 595] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = "%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return (out + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}").encode("ascii")
