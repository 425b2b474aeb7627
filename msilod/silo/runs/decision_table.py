"""Decision table: the meaning of each final response to a MESSAGE, online and for stored rows.

"Online": the request is relayed, and the sender waits for the answer. "Queued": the request delivers a row of the silo.
A status without a row in TABLE counts as the x00 of the class (RFC 3261 §8.1.3.2). An attempt without a response counts
as 408 for silence, 503 for a failed transport (RFC 3261 §8.1.3.1).

All decisions are in TABLE: other code reads the fields of a Verdict and never compares a status.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from msilod.sip.status import preference

NO_ANSWER: Final = 408
NO_TRANSPORT: Final = 503
Why = Literal["timeout", "transport"]
SILENCE: Final[dict[Why, tuple[int, str]]] = {
    "timeout": (NO_ANSWER, "no answer"),
    "transport": (NO_TRANSPORT, "not reachable"),
}

# Seconds between attempts after 482 and similar. A device answers 482 to another branch of a request while the first
# branch is open (RFC 3261 §8.2.2.2): at most 64*T1 = 32 s, here doubled.
SPACING: Final = 64.0
SPACED_TRIES: Final = 3
# Seconds. Retry-After may have values up to 2**32; longer pauses are cut to a day.
MAX_RETRY_AFTER: Final = 86_400.0
# The value of `opinions` for refusals final only after all contacts have refused.
ALL: Final = 0


class Outcome(Enum):
    """The consequence of a response for the message and the contact."""

    DELIVERED = "delivered"
    """The device has the message."""
    REFUSED = "refused"
    """Online: the sender gets this status, nothing is stored. Queued: the row is not sent to this contact again."""
    KEEP = "keep"
    """Online: the message is stored, answer 202. Queued: the contact stops for this run and is tried later."""
    CONTACT_OUT = "contact out"
    """The contact gets no MESSAGE until the next registration. The message is kept."""
    CONTACT_TYPE = "contact type"
    """This row is not sent to the contact again. Other rows are."""


class Pause(Enum):
    """The length of a stop without Retry-After."""

    STEP = "step"
    """The current step of the recipient's back-off."""
    SHORT = "short"
    """The first step of the back-off, after any number of stops."""
    SPACED = "spaced"
    """The current step, at least SPACING. A refusal after SPACED_TRIES attempts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table.

    `heeds_retry_after`: Retry-After sets the pause (RFC 3261 §20.33). `only_with_retry_after`: the message is kept only
    with Retry-After. `tries_next_flow`: the device itself did not answer, so the next flow of the device is tried (RFC
    5626 §7). `opinions`: the number of contacts needed for a final refusal, ALL for all known contacts.
    """

    online: Outcome
    queued: Outcome
    pause: Pause = Pause.STEP
    heeds_retry_after: bool = False
    only_with_retry_after: bool = False
    tries_next_flow: bool = False
    opinions: int = ALL


_DELIVERED: Final = Verdict(Outcome.DELIVERED, Outcome.DELIVERED)
# 6xx: the recipient was reached and refuses on all devices (RFC 3428 §7, RFC 3261 §21.6).
_REFUSED_BY_ALL: Final = Verdict(Outcome.REFUSED, Outcome.REFUSED, opinions=1)
# Refusals by identity, consent and syntax do not change with time (RFC 3261 §21.4).
_REFUSED: Final = Verdict(Outcome.REFUSED, Outcome.REFUSED)
# 400 may come from one device with a wrong clock (stale Date, RFC 3428 §11.4), so another contact is asked.
_MALFORMED: Final = Verdict(Outcome.REFUSED, Outcome.REFUSED, opinions=2)
# 401, 407: a challenge is for the sender. The silo has no credentials (RFC 3261 §22).
_CHALLENGE: Final = Verdict(Outcome.REFUSED, Outcome.CONTACT_OUT)
# 404: outdated at the device. 405, 501: no support for MESSAGE, as in msilo's failure_route.
_OUT: Final = Verdict(Outcome.CONTACT_OUT, Outcome.CONTACT_OUT)
# The content type (RFC 3261 §21.4.13, §21.4.21, §21.4.26). Online the message is stored, as in msilo's failure_route.
_TYPE: Final = Verdict(Outcome.KEEP, Outcome.CONTACT_TYPE)
_KEPT: Final = Verdict(Outcome.KEEP, Outcome.KEEP)
_LATER: Final = Verdict(Outcome.KEEP, Outcome.KEEP, heeds_retry_after=True)
_NO_FLOW: Final = Verdict(Outcome.KEEP, Outcome.KEEP, tries_next_flow=True)
_ODD: Final = Verdict(Outcome.KEEP, Outcome.KEEP, Pause.SHORT)
# A loop, or a merged copy of a message already at the device (RFC 3261 §8.2.2.2).
_LOOP: Final = Verdict(Outcome.REFUSED, Outcome.KEEP, Pause.SPACED)
_TOO_LARGE: Final = Verdict(
    Outcome.REFUSED, Outcome.REFUSED, heeds_retry_after=True, only_with_retry_after=True
)


def _rows(verdict: Verdict, *statuses: int) -> dict[int, Verdict]:
    return dict.fromkeys(statuses, verdict)


TABLE: Final[dict[int, Verdict]] = {
    **_rows(_DELIVERED, 200, 202),
    **_rows(_KEPT, 300, 555),
    **_rows(_MALFORMED, 400),
    **_rows(_CHALLENGE, 401, 407),
    **_rows(
        _REFUSED,
        402, 403, 410, 414, 416, 420, 421, 428, 433, 436, 437, 438, 470, 484, 485, 493, 494, 505, 513,
    ),
    **_rows(_OUT, 404, 405, 501),
    **_rows(_TYPE, 406, 415, 488),
    **_rows(_NO_FLOW, 408, 430),
    **_rows(_TOO_LARGE, 413),
    **_rows(_ODD, 423, 481, 487, 489, 491),
    **_rows(_LOOP, 429, 440, 482, 483),
    **_rows(_LATER, 480, 486, 500, 502, 503, 504, 580),
    **_rows(_REFUSED_BY_ALL, 600, 603, 604, 606, 607, 608),
}  # fmt: skip


SPACED: Final = tuple(status for status, verdict in TABLE.items() if verdict.pause is Pause.SPACED)


def verdict_of(status: int) -> Verdict:
    """The verdict of a final status; for an unknown status the verdict of x00 of the class."""
    return TABLE.get(status) or TABLE.get(status // 100 * 100, _KEPT)


def judge_online(status: int, retry_after: int | None = None, in_dialog: bool = False) -> Outcome:
    """The outcome of a final response to a relayed MESSAGE.

    `retry_after` in seconds, None if absent. Within a dialog, 481 goes to the sender: the dialog does not exist any
    more.
    """
    if in_dialog and status == 481:
        return Outcome.REFUSED
    verdict = verdict_of(status)
    if verdict.only_with_retry_after and retry_after is not None:
        return Outcome.KEEP
    return verdict.online


def judge_queued(status: int, retry_after: int | None = None) -> Outcome:
    """The outcome of a device's final response to a stored row."""
    verdict = verdict_of(status)
    if verdict.only_with_retry_after and retry_after is not None:
        return Outcome.KEEP
    return verdict.queued


def pause(status: int, retry_after: int | None, stops: int, retry: Sequence[int]) -> float:
    """Seconds until the next attempt after a stop with `status`.

    `retry`: the back-off of the recipient ([silo] retry). `stops`: the number of earlier stops in a row. The first
    Retry-After is followed exactly. After further stops the pause is at least the previous step, otherwise a device
    with `486, Retry-After: 5` would use up all attempts within a minute.
    """
    verdict = verdict_of(status)
    last = len(retry) - 1
    if retry_after is not None and verdict.heeds_retry_after:
        floor = retry[min(stops - 1, last)] if stops else 1
        return float(max(min(retry_after, MAX_RETRY_AFTER), floor))
    if verdict.pause is Pause.SHORT:
        return float(retry[0])
    step = float(retry[min(stops, last)])
    return max(step, SPACING) if verdict.pause is Pause.SPACED else step


def combine(finals: Iterable[tuple[int, int | None]], in_dialog: bool = False) -> tuple[Outcome, int]:
    """The outcome of a forked MESSAGE from (status, Retry-After or None) of each branch.

    A 2xx delivers. Without a 2xx, a 6xx refuses, with its status. Without a 6xx, a kept branch or a contact out keeps
    the message (202). Otherwise the message is refused with status 0: the proxy chooses the best response (RFC 3261
    §16.7 step 6) and merges challenges. A branch without a response counts as NO_ANSWER or NO_TRANSPORT.
    """
    worst = kept = 0
    for status, retry_after in finals:
        outcome = judge_online(status, retry_after, in_dialog)
        if outcome is Outcome.DELIVERED:
            return outcome, status
        if status >= 600:
            worst = worst or status
        kept += outcome is not Outcome.REFUSED
    if worst:
        return Outcome.REFUSED, worst
    return (Outcome.KEEP, 202) if kept else (Outcome.REFUSED, 0)


def is_final(refusals: Collection[int]) -> bool:
    """True if the refusals of different contacts are final without other contacts: a 6xx, or two 400."""
    needed = [opinions for status in refusals if (opinions := verdict_of(status).opinions)]
    return any(needed.count(opinions) >= opinions for opinions in needed)


def best_refusal(refusals: Iterable[int]) -> int:
    """The status to keep when all contacts have refused (RFC 3261 §16.7 step 6). Raises ValueError for no refusals."""
    return min(refusals, key=lambda status: (preference(status), status))
