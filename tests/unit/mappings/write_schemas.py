"""Writes mappings/schemas from the models: `python -m tests.unit.mappings.write_schemas`."""

import json
from pathlib import Path

import mappings
from mappings import hims

FOLDER = Path(mappings.__file__).parent / "schemas"


def text_of(kind: str) -> str:
    """The committed form of a kind's JSON Schema."""
    return json.dumps(hims.schema(kind), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in hims.KINDS:
        (FOLDER / f"{each}.json").write_text(text_of(each), encoding="utf-8")
