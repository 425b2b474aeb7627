"""Aliases: other names of a mailbox, as patterns, from the dialled form to the address of record ([aliases]).

    [aliases]
    '00(\\d{8,15})'   = '+\\1'        # 00420... is +420...
    '\\+420777123456' = 'anna'       # and this number is the user anna

Rules: a pattern matches the whole user part, or the whole user@host when the pattern contains an @. A template is a
user (the domain stays) or user@host. The first rule that changes the name counts. Then all rules are applied to the
result, until no rule changes the result. So a rewritten name stays the same when it is looked up again.

Senders choose the names, and must not be able to choose the time of a match. So only single characters are repeated,
never groups; a pattern has few repeats; and a name longer than MAX_NAME has no alias.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.cache import Cache
from msilod.sip.uri import SipUri

MAX_RULES: Final = 1000
MAX_PATTERN: Final = 200
MAX_NAME: Final = 96
# The maximum of `*`, `+` or `{m,n}` in a pattern. Measured at MAX_NAME characters: 7 ms at worst, once per name.
MAX_REPEATS: Final = 3
MAX_STEPS: Final = 8
# Names recur. Bytes of remembered names: 16,000 names of usual length.
CACHED_NAME_BYTES: Final = 4_000_000

_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|.", re.DOTALL)


class Aliases:
    """The compiled rules; false when there are none. Raises ValueError for the first wrong rule.

    `resolve(aor)` returns the mailbox that `user@host` is a name of; the AOR itself without a matching rule.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        for pattern, problem in alias_problems(table):
            raise ValueError(f"{pattern}: {problem}")
        self._rules = [(re.compile(pattern), template, "@" in pattern) for pattern, template in table.items()]
        self.resolve: Callable[[str], str] = Cache(self._resolve, _size, CACHED_NAME_BYTES).__getitem__

    def __bool__(self) -> bool:
        return bool(self._rules)

    def _resolve(self, aor: str) -> str:
        for _ in range(MAX_STEPS):
            changed = self._step(aor)
            if changed == aor:
                break
            aor = changed
        return aor

    def _step(self, aor: str) -> str:
        if len(aor) > MAX_NAME:
            return aor
        user, _, host = aor.rpartition("@")
        for pattern, template, is_whole in self._rules:
            found = pattern.fullmatch(aor if is_whole else user)
            if found is not None:
                changed = _aor(found.expand(template), host)
                if changed not in ("", aor):
                    return changed
        return aor


def alias_problems(table: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (pattern, the fault of its rule and the remedy)."""
    for number, (pattern, template) in enumerate(table.items()):
        problem = "is one too many; write one pattern for several" if number >= MAX_RULES else ""
        problem = problem or _pattern_problem(pattern) or _template_problem(pattern, template)
        if problem:
            yield pattern, problem


def _pattern_problem(pattern: str) -> str:
    if not pattern or len(pattern) > MAX_PATTERN:
        return f"has {len(pattern)} characters; write 1 to {MAX_PATTERN}"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    repeats, before = 0, ""
    for token in _TOKEN.findall(pattern):
        if token in ("*", "+") or (token[0] == "{" and len(token) > 2):
            if before == ")":
                return "repeats a group; repeat single characters or classes only"
            repeats += token.lstrip("{").rstrip("}").isdigit() is False
        before = token
    return f"has {repeats} repeats; write {MAX_REPEATS} at most" if repeats > MAX_REPEATS else ""


def _template_problem(pattern: str, template: str) -> str:
    try:
        # The template is checked before the first look-up.
        re.compile(pattern).sub(template, "")
    except (re.error, IndexError) as error:
        return f"{template!r} does not fit its pattern: {error}"
    shape = re.sub(r"\\(?:\d{1,2}|g<\w+>)", "1", template)
    return "" if _aor(shape, "example.test") else f"{template!r} is no user and no user@host"


def _size(name: str, mailbox: str) -> int:
    return 200 + len(name) + len(mailbox)


def _aor(name: str, host: str) -> str:
    """Return `name`, a user or user@host, as an AOR; "" when the name is not valid."""
    try:
        return SipUri.parse(f"sip:{name}" if "@" in name else f"sip:{name}@{host}").aor()
    except MalformedMessage:
        return ""
