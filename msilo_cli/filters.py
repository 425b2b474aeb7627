"""The words of a selection: recipients, ids, durations, sizes, and what Typer is told about them.

Rule: a verb that selects is `@selecting()`: its filters stand here once, and it is given the Selection.
"""

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any, Final

import typer

from msilo_cli.session import Session, UsageError
from msilod.routing.domains import canonical_host
from msilod.silo.stored_message import State
from msilod.sip.tel import is_tel
from msilod.store.tables.selection import Selection

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES: Final = {"": 1, "k": 1000, "m": 1_000_000, "g": 1_000_000_000}

Recipients = Annotated[
    list[str] | None, typer.Argument(metavar="[USER@HOST]...", help="Recipients; '*@example.test' for many.")
]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[USER@HOST|ID]...", help="Recipients or ids; - reads ids from standard input."),
]
_FILTERS: Final[dict[str, tuple[Any, object]]] = {
    "sender": (Annotated[str, typer.Option("--from", metavar="URI", help="From this sender.")], ""),
    "domain": (Annotated[str, typer.Option("--domain", metavar="NAME", help="To this domain.")], ""),
    "state": (Annotated[str, typer.Option("--state", metavar="STATE", help="In this state.")], ""),
    "older_than": (
        Annotated[str, typer.Option("--older-than", metavar="7d", help="Stored before that long ago.")], "",
    ),
    "newer_than": (
        Annotated[str, typer.Option("--newer-than", metavar="1h", help="Stored since that long ago.")], "",
    ),
    "larger_than": (Annotated[str, typer.Option("--larger-than", metavar="4k", help="With a larger body.")], ""),
    "content_type": (Annotated[str, typer.Option("--type", metavar="TYPE", help="Of this content type.")], ""),
    "error": (Annotated[bool, typer.Option("--error", help="With a failed attempt.")], False),
    "limit": (Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most N.")], None),
}  # fmt: skip
Format = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="auto, table, tsv, json, jsonl or ids.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON Lines.")]
Ids = Annotated[bool, typer.Option("--ids", help="Ids only.")]


Verb = Callable[..., None]


def selecting(words: Any = Words, without: Sequence[str] = ()) -> Callable[[Verb], Verb]:
    """Give a verb its recipients or ids and the filters, but for those it goes `without`; it takes `selection`.

    Typer reads a verb's options from its signature, so they are written into one. An `expired` of the verb's own
    selects too. The verb raises UsageError for words that select nothing that could be.
    """

    def dress(verb: Verb) -> Verb:
        own = list(inspect.signature(verb).parameters.values())
        filters = {name: option for name, option in _FILTERS.items() if name not in without}

        @wraps(verb)
        def run(context: typer.Context, words: list[str] | None, **options: Any) -> None:
            chosen = {name: options.pop(name) for name in filters}
            if "expired" in options:
                chosen["expired"] = options["expired"]
            verb(context, select(context.obj, words or [], **chosen), **options)

        made = [_option("words", words, None)]
        made += own[2:] + [_option(name, *option) for name, option in filters.items()]
        run.__dict__["__signature__"] = inspect.Signature([own[0], *made])
        return run

    return dress


def _option(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )


def select(
    session: Session,
    words: Sequence[str] = (),
    *,
    sender: str = "",
    domain: str = "",
    state: str = "",
    older_than: str = "",
    newer_than: str = "",
    larger_than: str = "",
    content_type: str = "",
    error: bool = False,
    limit: int | None = None,
    expired: bool = False,
) -> Selection:
    """What the words of a command select. Raises UsageError."""
    if state and state not in [str(known) for known in State]:
        raise UsageError(f"{state!r} is no state; choose one of {', '.join(State)}")
    # Without these the silo need not be opened.
    now = session.now() if older_than or newer_than or expired else 0.0
    return Selection(
        aors=tuple(recipient(session, word) for word in words if not _is_id(word) and word != "-"),
        ids=_ids(words),
        sender=author(session, sender) if sender else "",
        domain=domain,
        state=state,
        received_before=now - duration(older_than) if older_than else None,
        received_after=now - duration(newer_than) if newer_than else None,
        larger_than=size(larger_than) if larger_than else None,
        content_type=content_type,
        has_error=error,
        expired_at=now if expired else None,
        limit=limit,
    )


def _is_id(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _ids(words: Sequence[str]) -> tuple[int, ...]:
    found = [word for word in words if _is_id(word)]
    if "-" in words:
        found += sys.stdin.read().split()
        if not found:
            # An empty list on standard input selects nothing, never everything.
            return (0,)
    return tuple(message_id(word) for word in found)


def message_id(word: str) -> int:
    """An id. Raises UsageError."""
    if not _is_id(word) or len(word) > 18:
        raise UsageError(f"{word!r} is no message id (ids are decimal numbers, see msilo list)")
    return int(word)


def recipient(session: Session, word: str) -> str:
    """The AOR of `alice@example.test`, of a SIP or tel URI, or of another name of a mailbox; or a pattern.

    The daemon reads a URI in the same way (routing/domains.py). Raises UsageError.
    """
    if "*" in word and not is_tel(word.encode("utf-8", "replace")):
        user, at, host = word.removeprefix("sip:").rpartition("@")
        return f"{user}{at}{host.lower() if '*' in host else canonical_host(host)}"
    try:
        return session.names.mailbox(word)
    except ValueError as error:
        raise UsageError(str(error)) from error


def author(session: Session, word: str) -> str:
    """The sender that the rows of `word` have. Raises UsageError."""
    if "*" in word:
        return recipient(session, word)
    found = session.names.sender(word if ":" in word.partition("@")[0] else f"sip:{word}")
    if "@" not in found and ":" not in found:
        raise UsageError(f"{word!r} is no address like alice@example.test")
    return found


def duration(text: str) -> float:
    """`7d`, `12h`, `30m`, `45s`, `1h30m`; a bare number is seconds. Raises UsageError."""
    if re.fullmatch(r"[0-9]{1,10}", text):
        return float(text)
    if not re.fullmatch(r"([0-9]{1,9}[smhdw])+", text):
        raise UsageError(f"{text!r} is no duration; write 7d, 12h, 30m or 45s")
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhdw])", text)))


def size(text: str) -> int:
    """`4k`, `1M`, `512`. Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,12})([kmg]?)b?", text.lower())
    if not found:
        raise UsageError(f"{text!r} is no size; write 512, 4k or 1M")
    return int(found[1]) * _SIZES[found[2]]
