"""PolicyFile: loads a routing policy of the operator, a Python file with route() and failure_route().

Loading includes a trial: the file is compiled and run, both functions are looked up, the examples in the docstrings are
run, and both functions are called with a few common requests. The first fault is a ConfigError of one line with file
and line number. A later fault costs only the request in hand: the answer is 500, and the fault is logged once per
place.

The file is executed only when `_check_owners` finds that root and the user of the daemon alone can change or replace
the file, as ssh does by StrictModes.

Rule: a policy is the operator's own code and is trusted. A policy that never returns stops the daemon: function calls
have no time limit (msilod.toml(5) says so).
"""

import doctest
import os
import stat
import sys
from collections.abc import Callable, Collection
from itertools import product
from pathlib import Path
from traceback import walk_tb
from types import ModuleType, TracebackType
from typing import Any, Final, get_args

from msilod.errors import ConfigError, PolicyError, SipError
from msilod.routing import default, example
from msilod.routing.actions import Action, Save, Store
from msilod.routing.policy import Policy
from msilod.routing.request import RoutingRequest

MODULE: Final = "msilod_routing_policy"
MAX_BYTES: Final = 1_000_000
# The maximum of logged faults, because a policy may produce a new fault each time.
MAX_TOLD: Final = 100
# The actions, and the method for actions of one method.
_ACTIONS: Final = dict.fromkeys(get_args(Action), b"") | {Save: b"REGISTER", Store: b"MESSAGE"}
_TRIALS: Final = ("MESSAGE", "REGISTER", "INVITE", "OPTIONS", "BYE")
_TRIAL_STATUSES: Final = (404, 405, 408, 486, 503, 603)


class PolicyFile:
    """A loaded policy. Raises ConfigError when the file cannot be used."""

    def __init__(self, path: Path, tell: Callable[[str], None] = lambda fault: None) -> None:
        self.path = path
        self._tell = tell
        self._told: set[str] = set()
        self._module = _run(path, _read(path, {0, os.geteuid()}))
        self._route = self._function("route")
        self._failure_route = self._function("failure_route")
        _run_examples(self._module, path)
        self._try_out()

    def route(self, request: RoutingRequest) -> Action:
        """Call the operator's route(). Raises PolicyError (500), or the SipError of an unreadable field."""
        return self._ask(self._route, request)

    def failure_route(self, request: RoutingRequest, status: int) -> Action:
        """Call the operator's failure_route(). Raises as `route`."""
        return self._ask(self._failure_route, request, status)

    def _ask(self, function: Callable[..., Any], request: RoutingRequest, *status: int) -> Action:
        try:
            return self._try(function, request, *status)
        except PolicyError as error:
            if error.detail not in self._told and len(self._told) < MAX_TOLD:
                self._told.add(error.detail)
                self._tell(error.detail)
            raise

    def _function(self, name: str) -> Callable[..., Any]:
        found = getattr(self._module, name, None)
        if not callable(found):
            raise ConfigError(
                f"routing: {self.path}: line 1: there is no function {name}(); see msilod.toml(5)"
            )
        function: Callable[..., Any] = found
        return function

    def _try(self, function: Callable[..., Any], request: RoutingRequest, *status: int) -> Action:
        try:
            action = function(request, *status)
        except SipError:
            # An unreadable From is a fault of the sender; the error has the status.
            raise
        except (Exception, SystemExit) as error:
            raise PolicyError(f"{self.path}: line {_line_of(error, self.path)}: {_words(error)}") from error
        wanted = _ACTIONS.get(action.__class__)
        if wanted is None or (wanted and request.method != wanted):
            said = (
                f"{function.__name__}() returned {action!r} for {request.method.decode('ascii', 'replace')}"
            )
            why = "which is no action" if wanted is None else f"which is for {wanted.decode()} only"
            raise PolicyError(f"{self.path}: line {_first_line(function)}: {said}, {why}")
        answer: Action = action
        return answer

    def _try_out(self) -> None:
        """Call the policy with common requests. The returned actions are not judged."""
        bob = "sip:bob@example.test"
        for method, uri, here in product(_TRIALS, (bob, "sip:example.test", "sip:far.test"), (False, True)):
            request = example(method, uri, registered=["bob@example.test"] if here else [])
            try:
                self._try(self._route, request)
                for status in _TRIAL_STATUSES:
                    self._try(self._failure_route, request, status)
            except PolicyError as error:
                raise ConfigError(f"routing: {error.detail}") from error


def load_policy(path: Path | None, tell: Callable[[str], None] = lambda fault: None) -> Policy:
    """Return the policy in `path`; the built-in policy for None. Raises ConfigError."""
    return default if path is None else PolicyFile(path, tell)


def _read(path: Path, owners: Collection[int]) -> bytes:
    """Return the bytes of the file when only root and `owners` can change the file. Raises ConfigError."""
    try:
        real = path.resolve(strict=True)
        # The opened file is checked and read, even when its name means another file a moment later. O_NONBLOCK: opening
        # a FIFO without a writer would block.
        with open(os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            _check_owners(path, real, os.fstat(file.fileno()), owners)
            source = file.read(MAX_BYTES + 1)
    except (OSError, RuntimeError) as error:
        # pathlib of Python 3.11 reports a loop of links as RuntimeError.
        reason = error.strerror if isinstance(error, OSError) else "too many levels of symbolic links"
        raise ConfigError(f"routing: {path}: cannot be read: {reason}") from error
    if len(source) > MAX_BYTES:
        raise ConfigError(f"routing: {path}: is larger than {MAX_BYTES} bytes; name a policy")
    return source


def _check_owners(path: Path, real: Path, status: os.stat_result, owners: Collection[int]) -> None:
    """Check the file, its folder and every folder above (sshd_config(5), StrictModes). Raises ConfigError, OSError.

    A user with write access to a folder may rename the files in the folder and put other files in their place. In a
    folder with the sticky bit, as /tmp, only the owner of an entry may rename the entry, so such a folder may be
    writable.
    """
    if stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"routing: {path}: cannot be read: Is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"routing: {path}: is no regular file; name a Python file")
    _check_owner(path, real, status, owners)
    for folder in real.parents:
        _check_owner(path, folder, folder.stat(), owners, is_above=folder != real.parent)


def _check_owner(
    path: Path, part: Path, status: os.stat_result, owners: Collection[int], is_above: bool = False
) -> None:
    if status.st_uid not in owners:
        raise ConfigError(
            f"routing: {path}: not executed: {part} belongs to user id {status.st_uid}, who is neither root nor the "
            f"user of this process (user id {os.geteuid()}); give it to one of them, as chown root {part}, or run "
            "msilod as its owner"
        )
    if status.st_mode & stat.S_IWOTH and not (is_above and status.st_mode & stat.S_ISVTX):
        raise ConfigError(
            f"routing: {path}: not executed: {part} is writable by everybody; write chmod o-w {part}"
        )


def _run(path: Path, source: bytes) -> ModuleType:
    """Compile and run the file. No file is written beside it."""
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    former = sys.modules.get(MODULE)
    # A dataclass looks for its module there.
    sys.modules[MODULE] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        if former is not None:
            sys.modules[MODULE] = former
        raise ConfigError(f"routing: {path}: line {_line_of(error, path)}: {_words(error)}") from error
    return module


def _run_examples(module: ModuleType, path: Path) -> None:
    runner = doctest.DebugRunner(verbose=False)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, MODULE):
        try:
            runner.run(test, out=_quiet)
        except doctest.DocTestFailure as failure:
            line = (test.lineno or 0) + failure.example.lineno + 1
            wanted, got = failure.example.want.strip() or "nothing", failure.got.strip() or "nothing"
            raise ConfigError(
                f"routing: {path}: line {line}: the example wants {wanted}, and got {got}"
            ) from None
        except doctest.UnexpectedException as failure:
            line = (test.lineno or 0) + failure.example.lineno + 1
            raised = failure.exc_info[1]
            words = _words(raised) if raised is not None else "it failed"
            raise ConfigError(f"routing: {path}: line {line}: the example raised {words}") from None


def _quiet(text: str) -> None:
    """Print nothing: DebugRunner raises."""


def _words(error: BaseException) -> str:
    """Return the text of an error, on one line."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {text}".split())


def _line_of(error: BaseException, path: Path) -> int:
    """Return the innermost line of `path` in the traceback of an error; 1 when there is none."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    traceback: TracebackType | None = error.__traceback__
    lines = [line for frame, line in walk_tb(traceback) if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else 1


def _first_line(function: Callable[..., Any]) -> int:
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code is not None else 1
