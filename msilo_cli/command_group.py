"""Command group: finds the verb of `msilo`, and accepts the global options before and after the verb."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from typer.core import TyperGroup

# Words of other programs for our verbs. Similar spellings suggest wrong verbs: `release` for `delete`.
_OTHER_WORDS: Final = {
    "add": "inject", "cat": "show", "delete": "purge", "deliver": "dump", "del": "purge", "flush": "dump",
    "ls": "list", "mailq": "list", "queue": "list", "registrations": "bindings", "remove": "purge",
    "restart": "reload", "restore": "import", "retry": "requeue", "rm": "purge", "send": "dump", "stats": "status",
    "unhold": "release", "users": "user", "view": "show",
}  # fmt: skip
_SHORT_FLAGS: Final = re.compile(r"-[qv]{2,}")


class CommandGroup(TyperGroup):
    """The root of the command line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line. Global options that stand after the verb are moved before the verb."""
        return super().parse_args(ctx, globals_first(self, args))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the verb. Raises a usage error that names our verb for the words of other programs."""
        if args and args[0] not in self.commands and (ours := _OTHER_WORDS.get(args[0])):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {ours!r}?")
        return super().resolve_command(ctx, args)


def globals_first(root: Any, args: Sequence[str]) -> list[str]:
    """The arguments with the options of `root` before the verb. An option that the verb has itself stays."""
    first: list[str] = []
    rest: list[str] = []
    command, of_root, own = root, _options(root), _options(root)
    words = iter(args)
    for word in words:
        name, _, has_value = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif name in own:
            rest += [word, *_value(own[name] and not has_value, words)]
        elif name in of_root:
            first += [word, *_value(of_root[name] and not has_value, words)]
        elif _SHORT_FLAGS.fullmatch(word) and command is not root:
            first.append(word)
        else:
            rest.append(word)
            if found := getattr(command, "commands", {}).get(word):
                command, own = found, _options(found)
    return first + rest


def _options(command: Any) -> dict[str, bool]:
    """The options of a command by name; True for an option with a value."""
    options = [param for param in command.params if param.param_type_name == "option"]
    return {
        name: not (param.is_flag or param.count)
        for param in options
        for name in (*param.opts, *param.secondary_opts)
    }


def _value(has_value: bool, words: Iterator[str]) -> list[str]:
    """The next word, if the option takes a value."""
    return [word for _, word in zip(range(has_value), words, strict=False)]
