"""The control protocol: JSON-RPC 2.0, one object per line, on a Unix stream socket; and msilo's side of it.

Rules: pure but for the small blocking client at the end; a line is at most MAX_LINE bytes; a method's failure
carries the exit code a command ends with, so that both sides tell the same story.
"""

import socket
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from msilod.errors import MsilodError, PermissionDenied, UnavailableError

MAX_LINE: Final = 1 << 20
# The bindings of 100,000 phones take 50 MB.
MAX_ANSWER: Final = 1 << 30
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
NO_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
FAILED: Final = -32000


class Request(msgspec.Struct, frozen=True):
    """One call; without an id nobody hears the result."""

    method: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    id: int | str | None = None
    jsonrpc: str = "2.0"


# The params of the methods that have any. An id is that of a row, and a row of SQLite has 63 bits.
RowId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class BindingsParams(msgspec.Struct, frozen=True):
    """Of `bindings`: the AORs; none: all."""

    aors: list[str] | None = None


class DumpParams(msgspec.Struct, frozen=True):
    """Of `dump`: recipients and ids, a contact instead of the registered ones, and what is to be told."""

    aors: list[str] | None = None
    ids: list[RowId] | None = None
    to: str | None = None
    wait: bool = False
    dry_run: bool = False


class RowsParams(msgspec.Struct, frozen=True):
    """Of `give_up` and `expire`: ids by AOR."""

    rows: dict[str, list[RowId]] = {}


class WakeParams(msgspec.Struct, frozen=True):
    """Of `wake`: AORs with rows that were let go, the ids of requeued rows by AOR, and whether users have changed."""

    aors: list[str] = []
    requeued: dict[str, list[RowId]] = {}
    users: bool = False


class Problem(msgspec.Struct, frozen=True):
    """Why a call failed; `data.exit_code` for the command line."""

    code: int
    message: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Answer(msgspec.Struct, frozen=True):
    """What a daemon says to a call: a result or an error."""

    result: Any = None
    error: Problem | None = None


_ANSWER: Final = msgspec.json.Decoder(Answer)


class ControlError(MsilodError):
    """The daemon's own words for a failed call."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def decode_request(line: bytes) -> Request:
    """Raises msgspec.DecodeError (not JSON, or nested too deeply) or msgspec.ValidationError (not a request)."""
    try:
        return msgspec.json.decode(line, type=Request)
    except RecursionError as error:
        # msgspec decodes nested arrays and objects by recursion, and stops at Python's recursion limit.
        raise msgspec.DecodeError("JSON is nested too deeply") from error


def encode_result(id: int | str | None, result: Any) -> bytes:
    """A result line."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "result": result}) + b"\n"


def encode_problem(id: int | str | None, problem: Problem) -> bytes:
    """An error line."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "error": problem}) + b"\n"


class ControlClient:
    """A connection to a daemon. `timeout` seconds bound each step.

    Raises UnavailableError when there is none, PermissionDenied when it is not for us, ControlError for a
    method's failure.
    """

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except PermissionError as error:
            self._socket.close()
            raise PermissionDenied(f"{path} is not for you (ask to be put into the group msilod)") from error
        except OSError as error:
            self._socket.close()
            raise UnavailableError(f"no daemon at {path} (is msilod running?)") from error
        self._reader = self._socket.makefile("rb")

    def call(self, method: str, params: dict[str, Any] | None = None, timeout: float | None = None) -> Any:
        """The result of a method."""
        if timeout is not None:
            self._socket.settimeout(timeout)
        try:
            self._socket.sendall(msgspec.json.encode(Request(method, params or {}, 1)) + b"\n")
            line = self._reader.readline(MAX_ANSWER)
        except OSError as error:
            raise UnavailableError(f"the daemon at {self.path} does not answer") from error
        if not line:
            raise UnavailableError(f"the daemon at {self.path} has hung up")
        try:
            answer = _ANSWER.decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise UnavailableError(f"what answers at {self.path} is no msilod: {error}") from error
        if answer.error is not None:
            code = answer.error.data.get("exit_code", 1)
            raise ControlError(answer.error.message, code if isinstance(code, int) and 0 < code < 256 else 1)
        return answer.result

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
