"""Denials of the information services."""

from typing import Final

from synapse_tim.core.denial import Denial

#: One report of a client is worth this many seconds.
REPORT_SECONDS: Final = 60

#: An information service that does not know who asks.
INFORMATION_TOKEN = Denial(
    "information_token",
    "information",
    ("R5.6", "R5.1"),
    "A valid OpenID token of this server has to be in the Authorization header, as Bearer. (R5.6)",
    status=401,
)

#: A query that cannot be answered; the fault is added to the text.
INFORMATION_QUERY = Denial(
    "information_query",
    "information",
    ("R5.2", "R5.3", "R5.9"),
    "The query cannot be answered",
    status=400,
    errcode="M_INVALID_PARAM",
)

#: An institution code that the federation list does not have.
IK_UNKNOWN = Denial(
    "ik_unknown",
    "information",
    ("R5.2",),
    "The federation list has no insurer with this institution code (IK). (R5.2)",
    status=404,
)

#: There has never been a verified list, or it could not be looked up who asks.
INFORMATION_UNAVAILABLE = Denial(
    "information_unavailable",
    "information",
    ("R5.7", "R5.6"),
    "This cannot be answered at the moment. Try again later. (R5.7)",
    status=503,
)

#: A client's report that does not follow gematik's schema; the fault is added to the text.
REPORT_MALFORMED = Denial(
    "report_malformed", "information", ("R5.10",), "Not a client report, nothing was counted", status=400
)

#: More reports than a client has to send.
REPORT_TOO_OFTEN = Denial(
    "report_too_often",
    "information",
    ("R5.10", "A_22817"),
    "Too many reports. Send the next one later, with all events since the last successful one. (R5.10)",
    status=429,
    retry_after=REPORT_SECONDS,
)

#: A report that could not be counted.
REPORT_UNAVAILABLE = Denial(
    "report_unavailable",
    "information",
    ("R5.10",),
    "The report could not be counted. Send it again later. (R5.10)",
    status=503,
)
