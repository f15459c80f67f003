"""Denials of the information services."""

from __future__ import annotations

from typing import Final

from synapse_tim.core.denial import Denial

#: One report of a client is worth this many seconds.
REPORT_SECONDS: Final = 60

#: An information service that does not know who asks.
INFORMATION_TOKEN = Denial(
    policy="information",
    requirements=("R5.6", "R5.1"),
    status=401,
    text="A valid OpenID token of this server has to be in the Authorization header, as Bearer. (R5.6)",
)

#: A query that cannot be answered; the fault is added to the text.
INFORMATION_QUERY = Denial(
    policy="information",
    requirements=("R5.2", "R5.3", "R5.9"),
    status=400,
    errcode="M_INVALID_PARAM",
    text="The query cannot be answered",
)

#: An institution code that the federation list does not have.
IK_UNKNOWN = Denial(
    policy="information",
    requirements=("R5.2",),
    status=404,
    text="The federation list has no insurer with this institution code (IK). (R5.2)",
)

#: There has never been a verified list, or it could not be looked up who asks.
INFORMATION_UNAVAILABLE = Denial(
    policy="information",
    requirements=("R5.7", "R5.6"),
    status=503,
    text="This cannot be answered at the moment. Try again later. (R5.7)",
)

#: A client's report that does not follow gematik's schema; the fault is added to the text.
REPORT_MALFORMED = Denial(
    policy="information",
    requirements=("R5.10",),
    status=400,
    text="Not a client report, nothing was counted",
)

#: More reports than a client has to send.
REPORT_TOO_OFTEN = Denial(
    policy="information",
    requirements=("R5.10", "A_22817"),
    status=429,
    text="Too many reports. Send the next one later, with all events since the last successful one. (R5.10)",
    retry_after=REPORT_SECONDS,
)

#: A report that could not be counted.
REPORT_UNAVAILABLE = Denial(
    policy="information",
    requirements=("R5.10",),
    status=503,
    text="The report could not be counted. Send it again later. (R5.10)",
)
