"""Control socket: accepts clients on a Unix stream socket and answers their JSON-RPC lines.

The socket has mode 0660: members of the group msilod may use the socket. The socket file of a dead daemon is
replaced; the socket of a live daemon is an error. A malformed line is answered with an error. At MAX_CLIENTS the client
with the oldest last request is disconnected, so idle clients cannot keep others out (law 8).
"""

import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from msilod.control.protocol import (
    FAILED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MAX_LINE,
    NO_METHOD,
    PARSE_ERROR,
    Listing,
    Problem,
    Request,
    decode_request,
    encode_listing,
    encode_problem,
    encode_result,
)  # fmt: skip
from msilod.errors import MsilodError, UnavailableError
from msilod.log import get_log
from msilod.ownership import adopt_runtime_directory, adopt_socket
from msilod.stream_clients import StreamClients

Handler = Callable[[dict[str, Any]], Any]
MAX_CLIENTS: Final = 64
MODE: Final = 0o660
CHUNK: Final = 65536
# Seconds for a client to read one answer, or one piece of a long answer.
WRITE_TIMEOUT: Final = 10.0


class ControlServer:
    """The socket at `path`, bound by the constructor. `handlers`: method name to handler.

    The constructor raises UnavailableError when another daemon answers at `path`, or when the path cannot be bound.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self.path = path
        self.handlers = handlers
        self._clients = StreamClients(MAX_CLIENTS)
        self._socket = _bind(path)

    async def serve(self) -> None:
        """Accept clients and answer their lines until cancelled."""
        await self._clients.accept(self._socket, self._serve_client, self._refuse)

    async def _refuse(self, stream: trio.SocketStream) -> None:
        problem = Problem(FAILED, f"{MAX_CLIENTS} clients wait for answers; try again", {"exit_code": 75})
        with trio.move_on_after(1), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            # The buffer of a new connection has room for one line.
            await stream.send_all(encode_problem(None, problem))
        await trio.aclose_forcefully(stream)

    async def _serve_client(self, stream: trio.SocketStream) -> None:
        scope = trio.CancelScope()
        try:
            with scope:
                async with stream:
                    await self._serve_lines(stream, scope)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            get_log().debug("a control client has closed its connection")
        except MemoryError:
            raise
        except Exception as error:
            # A piece of a long answer could not be made. The client sees the end of the connection.
            get_log().error("an answer of the control socket could not be ended", exc_info=error)

    async def _serve_lines(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        buffer = b""
        self._clients.mark_idle(stream, scope)
        while data := await stream.receive_some(CHUNK):
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                if line.strip():
                    # The client is not idle while the request is served.
                    self._clients.mark_busy(stream)
                    for piece in await self.answer(line):
                        with trio.fail_after(WRITE_TIMEOUT):
                            await stream.send_all(piece)
            if len(buffer) > MAX_LINE:
                return
            # The order changes only with a whole request: half a line keeps the old place.
            self._clients.mark_idle(stream, scope)

    async def answer(self, line: bytes) -> Iterable[bytes]:
        """The answer to `line` in pieces, with its line end; no piece for a notification."""
        try:
            request = decode_request(line)
        except msgspec.ValidationError as error:
            return (encode_problem(None, Problem(INVALID_REQUEST, str(error))),)
        except msgspec.DecodeError as error:
            return (encode_problem(None, Problem(PARSE_ERROR, str(error))),)
        answer = await self._call(request)
        if request.id is None:
            return ()
        return (answer,) if isinstance(answer, bytes) else encode_listing(request.id, answer)

    async def _call(self, request: Request) -> bytes | Listing:
        handler = self.handlers.get(request.method)
        if handler is None:
            return encode_problem(request.id, Problem(NO_METHOD, f"there is no method {request.method}"))
        try:
            result = handler(request.params)
            if isinstance(result, Awaitable):
                result = await result
            return result if isinstance(result, Listing) else encode_result(request.id, result)
        except msgspec.ValidationError as error:
            return encode_problem(request.id, Problem(INVALID_PARAMS, str(error), {"exit_code": 2}))
        except MsilodError as error:
            return encode_problem(request.id, Problem(FAILED, str(error), {"exit_code": error.exit_code}))
        except MemoryError:
            raise
        except Exception as error:
            get_log().error("a control method failed", method=request.method, exc_info=error)
            return encode_problem(
                request.id, Problem(FAILED, "the daemon failed; see its log", {"exit_code": 1})
            )

    def close(self) -> None:
        """Close the socket and remove its file."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


def _bind(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            adopt_runtime_directory(path.parent)
        if path.is_socket():
            _refuse_live(path)
            path.unlink()
        # With this mask the socket file never has a wider mode than MODE.
        mask = os.umask(0o777 & ~MODE)
        try:
            sock.bind(str(path))
        finally:
            os.umask(mask)
        adopt_socket(path)
        sock.listen(MAX_CLIENTS)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        raise UnavailableError(
            f"cannot open the control socket {path}: {reason} (see [control] socket)"
        ) from error
    except UnavailableError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _refuse_live(path: Path) -> None:
    """Raise UnavailableError when a daemon answers at `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise UnavailableError(f"another msilod answers at {path} (stop it, or choose another [control] socket)")
