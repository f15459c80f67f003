"""Performance raw data (requirements §7.1): gemSpec_Perf, delivered by the vendor's own component."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import ALWAYS, Requirement, Status

_TITLES: Final = {
    "A_21975": "Interval of raw data",
    "A_21976": "Interval of raw data, how it may change",
    "A_21978": "Interval of raw data, its begin and end",
    "A_21979": "Interval of raw data, its deadline",
    "A_21980": "Delivery of an interval without data",
    "A_21981-02": "Format of raw data",
    "A_21982-01": "The message of a record",
    "A_22000": "Reports of raw data",
    "A_22001-01": "Name of a report",
    "A_22002": "Transfer of a report",
    "A_22004": "Reports, how they are received",
    "A_22005": "Late delivery",
    "A_22047": "Changes of the configuration of raw data",
    "A_22429": "Content of the self-disclosure",
    "A_22500-01": "The status of a record",
    "A_22513-01": "The message of a record about an error",
    "A_22940": "The message of a record of TI-Messenger",
    "A_22946": "Further raw data of TI-Messenger",
    "A_23116": "Availability",
    "A_23119": "Stock data",
}

RAW_DATA: Final = tuple(
    Requirement(
        number,
        title,
        Status.OPERATION,
        generations=ALWAYS,
        note="Raw data are measured and delivered outside, for instance from the reverse proxy's log.",
    )
    for number, title in _TITLES.items()
)
