"""The control protocol: JSON-RPC 2.0, one object per line, on a Unix stream socket; and msilo's side of it.

Rules: pure but for the small blocking client at the end; a line is at most MAX_LINE bytes; a method's failure
carries the exit code a command ends with, so that both sides tell the same story.
"""

import socket
from pathlib import Path
from typing import Any, Final

import msgspec

from msilod.errors import MsilodError, PermissionDenied, UnavailableError

MAX_LINE: Final = 1 << 20
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


class Problem(msgspec.Struct, frozen=True):
    """Why a call failed; `data.exit_code` for the command line."""

    code: int
    message: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


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
            line = self._reader.readline()
        except OSError as error:
            raise UnavailableError(f"the daemon at {self.path} does not answer") from error
        if not line:
            raise UnavailableError(f"the daemon at {self.path} has hung up")
        answer = msgspec.json.decode(line)
        if "error" in answer:
            problem = answer["error"]
            raise ControlError(problem["message"], int(problem.get("data", {}).get("exit_code", 1)))
        return answer["result"]

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
