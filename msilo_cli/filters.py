"""Filters: turns recipients, ids, durations and sizes on the command line into a Selection.

A verb with a selection is decorated with `@selecting()`: the decorator adds the arguments and filter options to the
verb, and passes the Selection.
"""

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any, Final

import typer

from msilo_cli.session import Session
from msilod.errors import UsageError
from msilod.silo.stored_message import State
from msilod.sip.tel import is_tel
from msilod.sip.uri import canonical_host, is_host
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
        Annotated[str, typer.Option("--older-than", metavar="7d", help="Stored longer ago than this.")], "",
    ),
    "newer_than": (
        Annotated[str, typer.Option("--newer-than", metavar="1h", help="Stored more recently than this.")], "",
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
    """Add the argument `words` and the filter options to a verb, except for those in `without`.

    The verb is called with the parameter `selection`. Typer reads options from the signature of a function, so the
    decorator makes a new signature. The verb's own option `expired` is part of the selection. Unreadable
    words and options raise UsageError.
    """

    def decorate(verb: Verb) -> Verb:
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

    return decorate


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
    """The Selection of a command's words and filter options. Raises UsageError."""
    if state and state not in [str(known) for known in State]:
        raise UsageError(f"{state!r} is no state; choose one of {', '.join(State)}")
    # The time is kept in the silo, so the silo is opened only when a filter needs the time.
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
            # An empty list on standard input must select nothing. No row has the id 0.
            return (0,)
    return tuple(message_id(word) for word in found)


def message_id(word: str) -> int:
    """The id written as `word`. Raises UsageError."""
    if not _is_id(word) or len(word) > 18:
        raise UsageError(f"{word!r} is no message id (ids are decimal numbers, see msilo list)")
    return int(word)


def recipient(session: Session, word: str) -> str:
    """The AOR for `alice@example.test`, a SIP URI, a tel URI or an alias; a pattern with `*` is returned as a pattern.

    URIs are read as by the daemon (routing/domains.py). Raises UsageError.
    """
    if "*" in word and not is_tel(word.encode("utf-8", "replace")):
        user, at, host = word.removeprefix("sip:").rpartition("@")
        return f"{user}{at}{host.lower() if '*' in host else canonical_host(host)}"
    try:
        return session.names.mailbox(word)
    except ValueError as error:
        raise UsageError(str(error)) from error


def served(session: Session, aor: str) -> str:
    """`aor`. Raises UsageError when its domain is not served."""
    try:
        session.names.check_served(aor)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return aor


def host(word: str) -> str:
    """The domain `word` in canonical form. Raises UsageError."""
    if not is_host(word):
        raise UsageError(f"{word!r} is no domain; write example.test")
    return canonical_host(word)


def author(session: Session, word: str) -> str:
    """The `sender` in rows of messages from `word`. Raises UsageError."""
    if "*" in word:
        return recipient(session, word)
    found = session.names.sender(word if ":" in word.partition("@")[0] else f"sip:{word}")
    if "@" not in found and ":" not in found:
        raise UsageError(f"{word!r} is no address like alice@example.test")
    return found


def duration(text: str) -> float:
    """Seconds of `7d`, `12h`, `30m`, `45s`, `1h30m` or of a plain number of seconds. Raises UsageError."""
    if re.fullmatch(r"[0-9]{1,10}", text):
        return float(text)
    if not re.fullmatch(r"([0-9]{1,9}[smhdw])+", text):
        raise UsageError(f"{text!r} is no duration; write 7d, 12h, 30m or 45s")
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhdw])", text)))


def size(text: str) -> int:
    """Bytes of `512`, `4k`, `1M` (powers of 1000). Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,12})([kmg]?)b?", text.lower())
    if not found:
        raise UsageError(f"{text!r} is no size; write 512, 4k or 1M")
    return int(found[1]) * _SIZES[found[2]]
