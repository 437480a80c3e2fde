"""Do two written names sound like the same person's? Pure; used by discovery matching only.

Order, case, honorifics, punctuation and joined or split parts ("Ramkumar", "Ram Kumar") do not
matter, an initial stands for any part it begins, and each part is compared by a sound key: the
usual spellings of one Indian name in Latin script (Lakshmi, Laxmi; Verma, Varma; Sunita, Suneeta)
have one key, while Ramesh and Rakesh, Asha and Usha, Rajendra and Ravendra do not. A general
string distance can't tell these apart from misspellings, and a wrong match shows one relative's
visits to another, so a mistyped letter means "not alike". Names in different scripts are not
comparable, which is not the same as different.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# fmt: off
HONORIFICS = frozenset((
    "mr", "mrs", "ms", "miss", "mx", "master", "baby", "dr", "prof", "late", "sh",
    "shri", "sri", "shree", "smt", "smti", "sushri", "kumari", "km", "kum",
    "श्री", "श्रीमती", "सुश्री", "डॉ", "डॉक्टर",
))
# fmt: on

#: Written short so often that the short form is the name.
ABBREVIATIONS = {"md": "mohammed", "mohd": "mohammed", "mhd": "mohammed"}

#: Spellings of one sound, applied in this order; the right side is a key, not a spelling.
LATIN_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        ("ksh|kch|x", "ks"),
        ("ph", "f"),
        ("tch|chh", "c"),
        ("ck|q", "k"),
        ("(?<=[bcdgjklmnprstvz])h", ""),
        ("[ao][uw](?![aeiou])|ou", "u"),
        ("w", "v"),
        ("z", "j"),
        ("ee+|ea|ie|iy", "i"),
        ("oo+", "u"),
        ("ai|ay$|ei|ey", "a"),
        ("y$", "i"),
        ("e", "a"),
        ("o", "u"),
        (r"(.)\1+", r"\1"),
    )
)
DEVANAGARI_SOUNDS = str.maketrans({"ी": "ि", "ू": "ु", "ई": "इ", "ऊ": "उ", "ँ": "ं", "़": None})


def name_parts(name: str) -> tuple[str, ...]:
    """The parts of a name that tell people apart, lower case, without marks or honorifics.

    Letters lose their marks in Latin script only: in Devanagari the marks are the vowels.
    """
    letters = []
    for character in unicodedata.normalize("NFKD", name).casefold():
        category = unicodedata.category(character)[0]
        if category == "L" or (category == "M" and not _latin_mark(character)):
            letters.append(character)
        elif category != "M" and character not in "'’`":
            letters.append(" ")
    parts = unicodedata.normalize("NFC", "".join(letters)).split()
    kept = tuple(part for part in parts if part not in HONORIFICS)
    return kept or tuple(parts)


def script(parts: Iterable[str]) -> str | None:
    """The script of the first letter, as Unicode names it ("LATIN", "DEVANAGARI"); None if none."""
    for character in "".join(parts):
        if character.isalpha():
            return unicodedata.name(character, "UNKNOWN").split()[0]
    return None


def sound_key(part: str) -> str:
    """One string for every usual spelling of a name's part; equal keys sound alike."""
    key = ABBREVIATIONS.get(part, part).translate(DEVANAGARI_SOUNDS)
    for pattern, sound in LATIN_SOUNDS:
        key = pattern.sub(sound, key)
    return key


def same_name(one: str, other: str) -> bool | None:
    """Whether two names may be one person's; None if they can't be compared."""
    first, second = name_parts(one), name_parts(other)
    if script(first) is None or script(first) != script(second):
        return None
    shorter, longer = sorted((first, second), key=lambda parts: (len(parts), parts))
    return _joined(shorter, longer) or _paired(shorter, longer, full=False)


def similar_names(asked: Iterable[str], recorded: Iterable[str]) -> bool | None:
    """True if any pair is alike, False if pairs differ, None if no pair can be compared."""
    known = tuple(recorded)
    verdicts = {same_name(one, other) for one in asked for other in known}
    if True in verdicts:
        return True
    return False if False in verdicts else None


def _latin_mark(character: str) -> bool:
    return unicodedata.name(character, "").startswith("COMBINING")


def _joined(shorter: tuple[str, ...], longer: tuple[str, ...]) -> bool:
    one = "".join(shorter)
    return len(one) > 3 and sound_key(one) == sound_key("".join(longer))


def _paired(shorter: tuple[str, ...], longer: tuple[str, ...], *, full: bool) -> bool:
    """Every part of the shorter name has its own part in the longer one, at least one in full."""
    if not shorter:
        return full
    part, rest = shorter[0], shorter[1:]
    for place, other in enumerate(longer):
        initial = len(part) == 1 or len(other) == 1
        alike = part[0] == other[0] if initial else sound_key(part) == sound_key(other)
        left = longer[:place] + longer[place + 1 :]
        if alike and _paired(rest, left, full=full or not initial):
            return True
    return False
