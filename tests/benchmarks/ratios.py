"""From what was measured to ratios: of two samples taken one after the other, of which the median counts.

Whatever slows the machine down for a while slows down both of them, and drops out of their ratio.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from functools import cached_property

import attrs
from loads import Sample

#: The same load on plain Synapse and with the module, one right after the other.
Turn = tuple[Sample, Sample]
Turns = dict[str, list[Turn]]
Reading = Callable[[Sample], float]


def throughput(sample: Sample) -> float:
    return len(sample.latencies) / sample.seconds


def p50(sample: Sample) -> float:
    return statistics.median(sample.latencies) * 1000


def p95(sample: Sample) -> float:
    return statistics.quantiles(sample.latencies, n=20, method="inclusive")[-1] * 1000


def cpu(sample: Sample) -> float:
    return sample.cpu_seconds / len(sample.latencies) * 1000


@attrs.frozen
class Target:
    """What the ratio is to be: at least or at most this."""

    bound: float
    at_least: bool = False

    def met_by(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound * 100:.0f} %"


@attrs.frozen(slots=False)
class Comparison:
    """One line of the table.

    Attributes:
        load: that was measured.
        name: of the line.
        unit: of the values.
        target: for the ratio, if there is one.
        baseline: the value of plain Synapse in each turn.
        other: the value of what is compared with it.
        requests: how many there are in one sample.
    """

    load: str
    name: str
    unit: str
    target: Target | None
    baseline: Sequence[float]
    other: Sequence[float]
    requests: int

    @cached_property
    def ratios(self) -> list[float]:
        """The other as a part of the baseline, turn by turn; in order of size."""
        return sorted(other / own for own, other in zip(self.baseline, self.other, strict=True))

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    @property
    def middle_half(self) -> tuple[float, float]:
        """Between which ratios the middle half of them is."""
        if len(self.ratios) < 2:
            return self.ratio, self.ratio
        quarters = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return quarters[0], quarters[2]

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true median is, at 95 %; ``None`` with less than six turns, which cannot tell.

        From the ranks alone: each turn is above or below the true median like the sides of a coin.
        """
        turns = len(self.ratios)
        outside, rank = 0.0, 0
        while rank < turns and (outside := outside + math.comb(turns, rank) / 2**turns) <= 0.025:
            rank += 1
        return (self.ratios[rank - 1], self.ratios[turns - rank]) if rank else None

    @property
    def verdict(self) -> str:
        """Whether the target is met, as far as the turns can tell."""
        if self.target is None:
            return ""
        met = self.target.met_by(self.ratio)
        sure = self.interval is not None and all(self.target.met_by(end) == met for end in self.interval)
        return f"{self.target}: {'met' if met else 'missed'}{'' if sure else '?'}"


_MESSAGES, _INVITES, _KEYS = Target(0.98, at_least=True), Target(1.10), Target(1.02)
#: Load, reading, name, unit, target.
_LINES: tuple[tuple[str, Reading, str, str, Target | None], ...] = (
    ("concurrent_messages", throughput, "messages, 4 senders", "/s", _MESSAGES),
    ("concurrent_messages", cpu, "  processor time", "ms", None),
    ("lone_messages", p50, "lone message, p50", "ms", None),
    ("lone_messages", p95, "lone message, p95", "ms", None),
    ("local_invites", p50, "local invite, p50", "ms", _INVITES),
    ("local_invites", p95, "local invite, p95", "ms", _INVITES),
    ("local_invites", cpu, "  processor time", "ms", None),
    ("remote_invites", p50, "remote invite, p50", "ms", _INVITES),
    ("remote_invites", p95, "remote invite, p95", "ms", _INVITES),
    ("remote_invites", cpu, "  processor time", "ms", None),
    ("concurrent_keys", throughput, "keys, 4 senders", "/s", _MESSAGES),
    ("concurrent_keys", cpu, "  processor time", "ms", _KEYS),
    ("lone_keys", p50, "lone key, p50", "ms", _KEYS),
    ("lone_keys", cpu, "  processor time", "ms", _KEYS),
    ("keys_for_many", p50, "a key for 20, p50", "ms", _KEYS),
    ("keys_for_many", cpu, "  processor time", "ms", _KEYS),
    ("remote_keys", p50, "remote key, p50", "ms", _KEYS),
    ("remote_keys", cpu, "  processor time", "ms", _KEYS),
)


def compare(turns: Turns) -> list[Comparison]:
    """The lines of the table, from the turns of each load."""
    return [
        Comparison(
            load,
            name,
            unit,
            target,
            [reading(baseline) for baseline, _ in turns[load]],
            [reading(other) for _, other in turns[load]],
            len(turns[load][0][0].latencies),
        )
        for load, reading, name, unit, target in _LINES
        if load in turns
    ]
