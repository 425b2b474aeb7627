"""Every error of ours, as one tree. An error carries the answer: a SIP status or an exit code.

    MsilodError
    ├── SipError                 .status .phrase: what to answer a request with
    │   ├── MalformedMessage     400 (413, 414, 416, 505, 513 where the RFC has a better one)
    │   ├── RequestRefused       any other status, with headers (Retry-After, Unsupported ...)
    │   │   └── StatelessRefusal   401, 407: the request is not remembered
    │   └── PolicyError          500: the operator's routing policy raised, or said what is no action
    ├── TransportError           a datagram or a connection that cannot be had; a branch then fails as 503
    ├── ConfigError              exit 78: file, line, key, what is wrong, what would be right
    ├── SchemaError              exit 78: a database of another version, or not ours
    ├── UnavailableError         exit 69: a listener, the silo or the daemon cannot be had
    │   ├── SiloLost             the silo's files are not the ones that were opened, or are damaged
    │   └── UnknownOutcome       an I/O error at COMMIT: neither 202 nor 503 would be true
    ├── BusyError                exit 75: locked by somebody else for longer than we wait
    ├── PermissionDenied         exit 77: and whose group would help
    └── StoreError               a commit that failed: 503 to the sender, nothing was kept

Rules: this module imports nothing, so that every room may import it. `phrase` and `str(error)` of a
SipError are safe to send; detail goes to the log only. Foreign exceptions are translated at one border
per room (store/engine/sqlite/connection.py, transport/).
"""

from collections.abc import Sequence


class MsilodError(Exception):
    """The root. `exit_code` is what a command ends with when this reaches its border."""

    exit_code = 1


class SipError(MsilodError):
    """A request that cannot be served; RFC 3261 §21 gives the statuses."""

    def __init__(
        self, status: int, phrase: str, headers: Sequence[tuple[bytes, bytes]] = (), detail: str = ""
    ) -> None:
        super().__init__(f"{status} {phrase}" + (f" ({detail})" if detail else ""))
        self.status = status
        self.phrase = phrase
        self.headers = tuple(headers)


class MalformedMessage(SipError):
    """Bytes that are no SIP message we can serve. `request` is what could be read of it, else None.

    Answer `status` when `request` is not None; drop otherwise (RFC 3261 §18.3: never answer what has no Via).
    """

    def __init__(
        self, phrase: str, status: int = 400, request: object | None = None, detail: str = ""
    ) -> None:
        super().__init__(status, phrase, detail=detail)
        self.request = request


class RequestRefused(SipError):
    """A well-formed request that policy or an RFC rule turns away."""


class PolicyError(SipError):
    """A routing policy that failed; `detail` is file, line and what was wrong, for the log."""

    def __init__(self, detail: str) -> None:
        super().__init__(500, "Server Internal Error", detail=detail)
        self.detail = detail


class StatelessRefusal(RequestRefused):
    """Answered without remembering the request, since anybody can ask for it: a challenge (RFC 3261 §8.2.7)."""


class TransportError(MsilodError):
    """Bytes could not be sent; the transaction user treats it as 503 (RFC 3261 §8.1.3.1, §16.9)."""


class ConfigError(MsilodError):
    """One line: file, line, key, what is wrong, what would be right."""

    exit_code = 78


class SchemaError(MsilodError):
    """A database that is not ours or of another version; the text names the command that helps."""

    exit_code = 78


class UnavailableError(MsilodError):
    """A listener, a database or the daemon is out of reach."""

    exit_code = 69


class SiloLost(UnavailableError):
    """The silo's files were deleted, moved, replaced or cut under the open database, or SQLite calls them damaged."""


class UnknownOutcome(UnavailableError):
    """An I/O error at COMMIT: the rows may be on the disk or not, so their senders get no answer."""


class BusyError(MsilodError):
    """Somebody else holds the database for longer than we wait: try again."""

    exit_code = 75


class PermissionDenied(MsilodError):
    """The file or the socket belongs to a group the caller is not in."""

    exit_code = 77


class NoSuchMessage(MsilodError):
    """An id that is not in the silo."""

    exit_code = 66


class StoreError(MsilodError):
    """A transaction that was rolled back: nothing of it was kept."""
