"""UCUM units: is a code one, and which one is meant by the ways hospitals write units.

A validator refuses a quantity that claims UCUM and isn't (`bpm`, `tab`). The grammar and atoms are
those of https://ucum.org/ucum that clinical records use; a unit not known here is kept as words.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Atoms that take metric prefixes, and those that don't (UCUM tables 2 to 20, clinical ones).
_METRIC = (
    "m|s|g|rad|K|cd|C|Cel|mol|eq|osm|Hz|N|Pa|J|W|A|V|F|Ohm|S|Wb|T|H|lm|lx|Bq|Gy|Sv|kat|U|IU|"
    r"\[iU\]|\[IU\]|L|l|bar|cal|m\[Hg\]|m\[H2O\]|eV|u|t"
)
_PLAIN = (
    r"%|min|h|d|wk|mo|a|deg|'|''|\[degF\]|\[in_i\]|\[in_us\]|\[ft_i\]|\[ft_us\]|\[lb_av\]|\[oz_av\]|\[foz_us\]|"
    r"\[drp\]|\[pH\]|\[arb'U\]|\[ppm\]|\[ppb\]|\[HPF\]|\[LPF\]|\[CFU\]|\[PFU\]|\[diop\]|\[Amb'a'1'U\]|"
    r"\[tsp_us\]|\[tbs_us\]|\[Ch\]|\[GPL'U\]|\[MPL'U\]|10\*|10\^"
)
_PREFIX = "da|[YZEPTGMkhdcmunpfazy]"
_TERM = rf"(?:(?:{_PREFIX})?(?:{_METRIC})|{_PLAIN})(?:[+-]?\d+)?(?:\{{[!-z|~]*\}})?"
_PART = rf"(?:{_TERM}|\d+|\{{[!-z|~]*\}})"
_UNIT = re.compile(rf"/?{_PART}(?:[./]{_PART})*\Z")

# Ways of writing a unit (lower case, without spaces) -> UCUM. Counted things (tablets, puffs) have
# none: UCUM has only annotations for them, which say no more than the word and which validators
# advise against.
_MEANT = {
    "bpm": "/min",
    "beats/min": "/min",
    "beats/minute": "/min",
    "breaths/min": "/min",
    "breaths/minute": "/min",
    "permin": "/min",
    "perminute": "/min",
    "percent": "%",
    "c": "Cel",
    "°c": "Cel",
    "degc": "Cel",
    "cel": "Cel",
    "celsius": "Cel",
    "f": "[degF]",
    "°f": "[degF]",
    "degf": "[degF]",
    "[degf]": "[degF]",
    "fahrenheit": "[degF]",
    "cms": "cm",
    "in": "[in_i]",
    "inch": "[in_i]",
    "inches": "[in_i]",
    "gm": "g",
    "gms": "g",
    "kgs": "kg",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "kg/m^2": "kg/m2",
    "kg/m²": "kg/m2",
    "mmhg": "mm[Hg]",
    "mm[hg]": "mm[Hg]",
    "ml": "mL",
    "meq/l": "meq/L",
    "mcg": "ug",
    "µg": "ug",
    "hrs": "h",
    "drop": "[drp]",
    "drops": "[drp]",
}


@lru_cache(maxsize=1024)
def is_ucum(code: str) -> bool:
    """True for a UCUM code of the clinical subset that this module knows."""
    return bool(_UNIT.match(code))


@lru_cache(maxsize=1024)
def to_ucum(written: str) -> str | None:
    """The UCUM code meant by a unit as written (`bpm` -> `/min`); None if that isn't known."""
    compact = written.replace(" ", "")
    meant = _MEANT.get(compact.lower())
    if meant is not None:
        return meant
    return compact if is_ucum(compact) else None
