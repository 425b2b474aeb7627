"""Protocol: the calls and answers of the control socket, and the client of `msilo`.

JSON-RPC 2.0, one object per line, on a Unix stream socket. A line of a request has at most MAX_LINE bytes. An error
carries the exit code of the command, so the daemon decides how `msilo` ends. The module is pure, except for the small
blocking client at the end.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from msilod.errors import MsilodError, PermissionDenied, UnavailableError

MAX_LINE: Final = 1 << 20
# Bytes of an answer. The bindings of 100,000 phones take 50 MB.
MAX_ANSWER: Final = 1 << 30
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
NO_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
FAILED: Final = -32000


class Request(msgspec.Struct, frozen=True):
    """One call. A call without an id is a notification and gets no answer (JSON-RPC 2.0 §4.1)."""

    method: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    id: int | str | None = None
    jsonrpc: str = "2.0"


# The id of a row. SQLite's row ids have 63 bits.
RowId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class BindingsParams(msgspec.Struct, frozen=True):
    """Params of `bindings`: the AORs; None for all bindings."""

    aors: list[str] | None = None


class DumpParams(msgspec.Struct, frozen=True):
    """Params of `dump`.

    `aors` and `ids` select messages. `to` is a contact to use instead of the registered contacts. `wait` asks for the
    outcome of each delivery, `dry_run` for the requests without sending.
    """

    aors: list[str] | None = None
    ids: list[RowId] | None = None
    to: str | None = None
    wait: bool = False
    dry_run: bool = False


class RowsParams(msgspec.Struct, frozen=True):
    """Params of `give_up` and `expire`: the ids of rows, by AOR."""

    rows: dict[str, list[RowId]] = {}


class WakeParams(msgspec.Struct, frozen=True):
    """Params of `wake`.

    `aors`: recipients with released rows. `requeued`: ids of requeued rows, by AOR. `users`: True when
    users were added, changed or removed.
    """

    aors: list[str] = []
    requeued: dict[str, list[RowId]] = {}
    users: bool = False


class Problem(msgspec.Struct, frozen=True):
    """The error of a failed call. `data["exit_code"]` is the exit code for the command line."""

    code: int
    message: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Answer(msgspec.Struct, frozen=True):
    """The daemon's answer to a call: a result or an error."""

    result: Any = None
    error: Problem | None = None


_ANSWER: Final = msgspec.json.Decoder(Answer)


class ControlError(MsilodError):
    """A call failed; the text and the exit code come from the daemon."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Listing:
    """A result object with one long list under `name`. The server sends the list in pieces, as the client reads them.

    So the daemon serves others in between, and the memory for a client that does not read is bounded.
    """

    def __init__(self, name: str, pieces: Iterator[list[dict[str, Any]]]) -> None:
        self.name = name
        self.pieces = pieces


def decode_request(line: bytes) -> Request:
    """The call in `line`.

    Raises msgspec.DecodeError (not JSON, or nested too deeply) or msgspec.ValidationError (not a request).
    """
    try:
        return msgspec.json.decode(line, type=Request)
    except RecursionError as error:
        # msgspec decodes nested arrays and objects by recursion, and stops at Python's recursion limit.
        raise msgspec.DecodeError("JSON is nested too deeply") from error


def encode_result(id: int | str | None, result: Any) -> bytes:
    """The line of a result."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "result": result}) + b"\n"


def encode_listing(id: int | str | None, listing: Listing) -> Iterator[bytes]:
    """The line of a result as `encode_result` writes it, in pieces."""
    empty = encode_result(id, {listing.name: []})
    at = empty.rindex(b"]")
    yield empty[:at]
    comma = b""
    for items in listing.pieces:
        if items:
            yield comma + msgspec.json.encode(items)[1:-1]
            comma = b","
        else:
            yield b""
    yield empty[at:]


def encode_problem(id: int | str | None, problem: Problem) -> bytes:
    """The line of an error."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "error": problem}) + b"\n"


class ControlClient:
    """A blocking connection to a daemon. `timeout`: seconds for each step.

    Raises UnavailableError when no daemon answers, PermissionDenied when the caller may not use the socket, and
    ControlError when a method fails.
    """

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except PermissionError as error:
            self._socket.close()
            raise PermissionDenied(f"{path}: permission denied (join the group msilod)") from error
        except OSError as error:
            self._socket.close()
            raise UnavailableError(f"no daemon at {path} (is msilod running?)") from error
        self._reader = self._socket.makefile("rb")

    def call(self, method: str, params: dict[str, Any] | None = None, timeout: float | None = None) -> Any:
        """The result of a method. `timeout`: seconds for this call and later ones; None leaves the last value."""
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
            raise UnavailableError(f"the program at {self.path} is no msilod: {error}") from error
        if answer.error is not None:
            code = answer.error.data.get("exit_code", 1)
            raise ControlError(answer.error.message, code if isinstance(code, int) and 0 < code < 256 else 1)
        return answer.result

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
