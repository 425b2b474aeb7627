"""Errors: all errors of the project as one tree. An error carries its answer: a SIP status or an exit code.

    MsilodError
    ├── SipError                 .status .phrase: the response to a request
    │   ├── MalformedMessage     400 (413, 414, 416, 505, 513 where the RFC names a better status)
    │   ├── RequestRefused       any other status, with header fields (Retry-After, Unsupported ...)
    │   │   └── StatelessRefusal   401, 407: the request is not remembered
    │   └── PolicyError          500: the operator's routing policy raised, or returned no action
    ├── TransportError           a datagram or connection failed; the branch then fails as with a 503
    ├── ConfigError              exit 78: file, line, key, the fault, the right form
    ├── UsageError               exit 2: a wrong or incomplete command line, or a missing confirmation
    ├── SchemaError              exit 78: a database of another version, or of another program
    ├── UnavailableError         exit 69: a listener, the silo or the daemon is not available
    │   ├── SiloLost             the files of the silo are not the opened files any more, or are damaged
    │   └── UnknownOutcome       an I/O error at COMMIT: neither 202 nor 503 would be true
    ├── BusyError                exit 75: another process holds a lock for too long
    ├── PermissionDenied         exit 77: the text names the right group
    ├── NoSuchMessage            exit 66: an id without a row in the silo
    └── StoreError               a failed commit: 503 to the sender, nothing was stored

This module imports no other module of the project, so all rooms may import the errors. The sender of a request may see
`phrase`; `detail` goes only to the log. Exceptions of libraries are translated at one place per room
(store/engine/sqlite/connection.py, transport/).
"""

from collections.abc import Sequence


class MsilodError(Exception):
    """The root of the tree. `exit_code`: the exit code of a command that ends with this error."""

    exit_code = 1


class SipError(MsilodError):
    """A request that cannot be served. `status` and `phrase` are those of the response (RFC 3261 §21).

    `headers`: further header fields of the response. `detail`: text for the log only.
    """

    def __init__(
        self, status: int, phrase: str, headers: Sequence[tuple[bytes, bytes]] = (), detail: str = ""
    ) -> None:
        super().__init__(f"{status} {phrase}" + (f" ({detail})" if detail else ""))
        self.status = status
        self.phrase = phrase
        self.headers = tuple(headers)


class MalformedMessage(SipError):
    """Bytes that are no valid SIP message. `request`: the readable part with a Via, or None.

    With a `request` the answer is `status`. Without one the bytes are dropped: a response needs a Via (RFC 3261 §18.3).
    """

    def __init__(
        self, phrase: str, status: int = 400, request: object | None = None, detail: str = ""
    ) -> None:
        super().__init__(status, phrase, detail=detail)
        self.request = request


class RequestRefused(SipError):
    """A well-formed request, refused by a policy or by a rule of an RFC."""


class PolicyError(SipError):
    """A fault in the operator's routing policy. `detail`: file, line and fault, for the log."""

    def __init__(self, detail: str) -> None:
        super().__init__(500, "Server Internal Error", detail=detail)
        self.detail = detail


class StatelessRefusal(RequestRefused):
    """A refusal without state, for example a challenge: strangers must not cost memory (RFC 3261 §8.2.7)."""


class TransportError(MsilodError):
    """Bytes could not be sent; for the transaction user this is a 503 (RFC 3261 §8.1.3.1, §16.9)."""


class ConfigError(MsilodError):
    """A fault in the configuration. The text is one line: file, line, key, the fault, the right form."""

    exit_code = 78


class UsageError(MsilodError):
    """A wrong or incomplete command line, or a missing confirmation."""

    exit_code = 2


class SchemaError(MsilodError):
    """A database of another program or of another version. The text names the command to run."""

    exit_code = 78


class UnavailableError(MsilodError):
    """A listener, a database or the daemon is not available."""

    exit_code = 69


class SiloLost(UnavailableError):
    """The files of the open silo were deleted, moved, replaced or cut, or SQLite reports damage."""


class UnknownOutcome(UnavailableError):
    """An I/O error at COMMIT. The rows may be on the disk or not, so the senders get no answer."""


class BusyError(MsilodError):
    """Another process holds the lock of the database for too long; a later try may succeed."""

    exit_code = 75


class PermissionDenied(MsilodError):
    """The caller is not in the group of the file or socket."""

    exit_code = 77


class NoSuchMessage(MsilodError):
    """An id without a row in the silo."""

    exit_code = 66


class StoreError(MsilodError):
    """A transaction was rolled back; nothing was stored."""
