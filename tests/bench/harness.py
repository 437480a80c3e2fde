"""Shared by the benches: contenders take turns in one run, medians are compared, rows are printed.

A ratio means "times as long as the floor". Because a machine's speed drifts, the two sides of a
comparison run in short turns, the ratio is taken within each round, and the median of those is
reported. Nothing here asserts a time: `aim` is printed beside the ratio, and `met` says whether it
was reached.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One comparison.

    `ours` and `floor` are medians in `unit`; `ratio` is ours / floor; `aim` is the largest ratio
    wanted, or None where nothing is promised. `against` names the floor. A comparison that could
    not be run has its reason in `not_run` and no numbers.
    """

    name: str
    against: str
    ours: float | None = None
    floor: float | None = None
    ratio: float | None = None
    aim: float | None = None
    unit: str = "ms"
    not_run: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim was reached; None where there is no aim or no measurement."""
        return None if self.aim is None or self.ratio is None else self.ratio <= self.aim


def compare(
    name: str,
    ours: Work,
    floor: Work,
    *,
    against: str,
    aim: float | None = None,
    rounds: int = 101,
    seconds: float = 0.005,
) -> Row:
    """Time both works in turns and return the row, in milliseconds a call.

    Args:
        rounds: turns each side takes, after one that is thrown away.
        seconds: about how long one turn lasts; slower works run once a turn.
    """
    times: dict[str, list[float]] = {"ours": [], "floor": []}
    calls = {side: _calls(work, seconds) for side, work in (("ours", ours), ("floor", floor))}
    for turn in range(rounds + 1):
        # Whoever goes second finds warm caches, so the order alternates.
        order = (("ours", ours), ("floor", floor))
        for side, work in order if turn % 2 else reversed(order):
            elapsed = _time(work, calls[side])
            if turn:
                times[side].append(elapsed)
    ratios = [mine / other for mine, other in zip(times["ours"], times["floor"], strict=True)]
    return Row(
        name=name,
        against=against,
        ours=statistics.median(times["ours"]) * 1000,
        floor=statistics.median(times["floor"]) * 1000,
        ratio=statistics.median(ratios),
        aim=aim,
    )


def _time(work: Work, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def _calls(work: Work, seconds: float) -> int:
    return max(1, round(seconds / _time(work, 1)))


def _ratio(ratio: float) -> str:
    """1.18×, or 1/540 where a small fraction would be hard to read."""
    return f"1/{1 / ratio:,.0f}" if 0 < ratio < 0.2 else f"{ratio:.2f}×"


def report(title: str, rows: Sequence[Row], *, as_json: bool) -> None:
    """Print the rows to standard output: a table for people, or one JSON object a line."""
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(asdict(row) | {"met": row.met}) + "\n")
        return
    table = Table(title=title)
    table.add_column("what", overflow="fold")
    for heading in ("ours", "against", "ratio", "aim"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        if row.not_run:
            table.add_row(row.name, "", row.against, "", "", f"not run: {row.not_run}")
            continue
        verdict = {None: "", True: "met", False: "not met"}[row.met]
        table.add_row(
            row.name,
            f"{row.ours:,.3f} {row.unit}",
            "" if row.floor is None else f"{row.against}: {row.floor:,.3f} {row.unit}",
            "" if row.ratio is None else _ratio(row.ratio),
            "" if row.aim is None else f"{row.aim:g}×",
            verdict,
        )
    Console().print(table)
