"""What each status of a device means for a MESSAGE, online and queued: one table, read by everybody.

Online is the request in hand: its sender waits for the answer. Queued is a row of the silo: nobody waits.
A status without a row of its own is read as the x00 of its class (RFC 3261 §8.1.3.2).

Rules: decisions stand in TABLE and nowhere else; code asks a row's fields, never for a status. An attempt
that ended without an answer is read as RFC 3261 §8.1.3.1 says: 408 for silence, 503 for no transport.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

NO_ANSWER: Final = 408
NO_TRANSPORT: Final = 503
Why = Literal["timeout", "transport"]
SILENCE: Final[dict[Why, tuple[int, str]]] = {
    "timeout": (NO_ANSWER, "no answer"),
    "transport": (NO_TRANSPORT, "not reachable"),
}

# RFC 3261 §8.2.2.2: a device that may still hold the first one as an open transaction answers 482 to the
# same request on another branch, so it is not asked again within 64*T1 twice over.
SPACING: Final = 64.0
SPACED_TRIES: Final = 3
# A device says when to come back in seconds up to 2**32; a day is the longest we let it dictate.
MAX_RETRY_AFTER: Final = 86_400.0
# `opinions`: how many contacts make a refusal final.
ALL: Final = 0


class Outcome(Enum):
    """What becomes of the message and of the contact."""

    DELIVERED = "delivered"
    """Over: the device has it."""
    REFUSED = "refused"
    """Online: tell the sender this status, keep nothing. Queued: this contact never gets the row."""
    KEEP = "keep"
    """Online: store, 202. Queued: the run to this contact stops and comes again."""
    CONTACT_OUT = "contact out"
    """This contact is out until its registration changes; the message is kept."""
    CONTACT_TYPE = "contact type"
    """This row not again to this contact; other rows are."""


class Pause(Enum):
    """How long a stop lasts when nobody says otherwise."""

    STEP = "step"
    """The recipient's back-off step."""
    SHORT = "short"
    """Its first step, however often it stopped before."""
    SPACED = "spaced"
    """Its back-off step, at least SPACING; SPACED_TRIES in all, then a refusal."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row. `heeds_retry_after`: the header says how long (RFC 3261 §20.33). `only_with_retry_after`:
    kept only if it is there. `tries_next_flow`: the device itself did not answer, so that its next flow is
    tried (RFC 5626 §7). `opinions`: contacts whose refusal makes it final, ALL for everyone that is known.
    """

    online: Outcome
    queued: Outcome
    pause: Pause = Pause.STEP
    heeds_retry_after: bool = False
    only_with_retry_after: bool = False
    tries_next_flow: bool = False
    opinions: int = ALL


_DELIVERED: Final = Verdict(Outcome.DELIVERED, Outcome.DELIVERED)
# 6xx: reached and refused, and nobody else will take it (RFC 3428 §7, RFC 3261 §21.6).
_REFUSED_BY_ALL: Final = Verdict(Outcome.REFUSED, Outcome.REFUSED, opinions=1)
# Identity, consent and syntax verdicts do not change with time (RFC 3261 §21.4).
_REFUSED: Final = Verdict(Outcome.REFUSED, Outcome.REFUSED)
# 400 may be one device's idea of a stale Date (RFC 3428 §11.4): one other is asked.
_MALFORMED: Final = Verdict(Outcome.REFUSED, Outcome.REFUSED, opinions=2)
# 401, 407: a challenge is for the sender; the silo has no credentials (RFC 3261 §22).
_CHALLENGE: Final = Verdict(Outcome.REFUSED, Outcome.CONTACT_OUT)
# 404: stale on the device's side. 405, 501: no MESSAGE there, the seed's failure_route.
_OUT: Final = Verdict(Outcome.CONTACT_OUT, Outcome.CONTACT_OUT)
# The content type (RFC 3261 §21.4.13, §21.4.21, §21.4.26); online the seed's failure_route stores.
_TYPE: Final = Verdict(Outcome.KEEP, Outcome.CONTACT_TYPE)
_KEPT: Final = Verdict(Outcome.KEEP, Outcome.KEEP)
_LATER: Final = Verdict(Outcome.KEEP, Outcome.KEEP, heeds_retry_after=True)
_NO_FLOW: Final = Verdict(Outcome.KEEP, Outcome.KEEP, tries_next_flow=True)
_ODD: Final = Verdict(Outcome.KEEP, Outcome.KEEP, Pause.SHORT)
# A loop, or a merged copy of what the device has already (RFC 3261 §8.2.2.2).
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
    """The row of a final status; that of its class's x00 when it has none of its own."""
    return TABLE.get(status) or TABLE.get(status // 100 * 100, _KEPT)


def judge_online(status: int, retry_after: int | None = None, in_dialog: bool = False) -> Outcome:
    """What a final answer to a MESSAGE whose sender waits means.

    `retry_after` in seconds, None when absent. Inside a dialog 481 is for the sender: his dialog is gone.
    """
    if in_dialog and status == 481:
        return Outcome.REFUSED
    verdict = verdict_of(status)
    if verdict.only_with_retry_after and retry_after is not None:
        return Outcome.KEEP
    return verdict.online


def judge_queued(status: int, retry_after: int | None = None) -> Outcome:
    """What a device's final answer to a row of the silo means."""
    verdict = verdict_of(status)
    if verdict.only_with_retry_after and retry_after is not None:
        return Outcome.KEEP
    return verdict.queued


def pause(status: int, retry_after: int | None, stops: int, retry: Sequence[int]) -> float:
    """Seconds until a contact that stopped with `status` is tried again.

    `retry` is the recipient's back-off (msilod.toml), `stops` how often it stopped before, in a row.
    Retry-After is taken at its word the first time; a device that was wrong about itself falls back to the
    step before, or one that says `486, Retry-After: 5` would use up all its attempts within a minute.
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
    """The outcome of a forked MESSAGE from its branches' (status, Retry-After or None).

    Any 2xx delivers. Else any 6xx refuses, and is the status. Else any branch that is kept or whose contact
    is out keeps it (202). Else it is refused with the best of RFC 3261 §16.7 step 6, which is the proxy's to
    choose and to merge challenges into: status 0. A branch without an answer is NO_ANSWER or NO_TRANSPORT.
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
    """True when these refusals of different contacts need nobody else's: a 6xx, or a second 400."""
    needed = [opinions for status in refusals if (opinions := verdict_of(status).opinions)]
    return any(needed.count(opinions) >= opinions for opinions in needed)


# RFC 3261 §16.7 step 6: these say more than their neighbours.
_TELLING: Final = frozenset((401, 407, 415, 420, 484))


def best_refusal(refusals: Iterable[int]) -> int:
    """The status to keep when all have refused (RFC 3261 §16.7 step 6). Raises ValueError on none."""
    return min(refusals, key=lambda status: (status < 600, status // 100, status not in _TELLING, status))
