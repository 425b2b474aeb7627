"""Receipt: builds the silo's IMDNs to senders asking for receipts within message/cpim (RFC 5438).

    Disposition-Notification = "Disposition-Notification" ":" [ notify-req *( COMMA notify-req ) ]
    notify-req               = ( "negative-delivery" / "positive-delivery" / "processing" / "display" / Token )
                               *( SEMI disp-notif-params )

A store-and-forward server may send `stored` if the sender asked for `processing`, and sends `failed` if the sender
asked for `negative-delivery` and the silo gave up (§8, checklist G11). The silo never claims a delivery, because a 2xx
is no proof of delivery. A message gets one receipt of each kind; an IMDN gets no receipt. A receipt is stored and
delivered like any MESSAGE, from the mailbox of the recipient to the sender.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from msilod.errors import MalformedMessage
from msilod.silo.intake.acceptance import duplicate_hash
from msilod.silo.intake.content_types import CPIM, IMDN, media_type
from msilod.silo.intake.cpim import Cpim, parse_cpim
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.address import NameAddr
from msilod.sip.grammar import CONTROLS, DIGIT, VISIBLE_ONLY, WSP, only, split_outside

NAMESPACE: Final = b"urn:ietf:params:imdn"
MAX_MESSAGE_ID: Final = 255
# The characters of RFC 3339: the time is written into XML.
_TIME_ONLY: Final = only(DIGIT + b"-:.+TZtz")
_MAX_TIME: Final = 40


class Disposition(StrEnum):
    """The disposition reported to the sender."""

    STORED = "stored"
    FAILED = "failed"


_ASKED_BY: Final = {Disposition.STORED: b"processing", Disposition.FAILED: b"negative-delivery"}
_ELEMENT: Final = {Disposition.STORED: "processing", Disposition.FAILED: "delivery"}


@dataclass(frozen=True, slots=True)
class Wish:
    """The request for receipts in a message: `asks`, the notify-reqs in lower case, and the URIs of the wrapper.

    IMDN-Record-Route is not read: a receipt goes to the sender and to no intermediary named by the sender.
    """

    message_id: bytes
    sent_at: bytes
    from_uri: bytes
    to_uri: bytes
    original_to: bytes
    asks: frozenset[bytes]

    def wants(self, disposition: Disposition) -> bool:
        """True if the message asks for this disposition."""
        return _ASKED_BY[disposition] in self.asks


class Parties(NamedTuple):
    """The URIs of a receipt. The first two name the mailbox of the recipient.

    `author` is written in From, `recipient` in the wrapper and the report, `sender` in To.
    """

    author: bytes
    recipient: bytes
    sender: bytes


def wish_of(row: StoredMessage) -> Wish | None:
    """The receipts wanted by the sender of `row`. None for no receipts and for an unreadable wrapper."""
    cpim = parse_cpim(row.body) if media_type(row.content_type) == CPIM else None
    if cpim is None or media_type(cpim.content_type) == IMDN:
        return None
    asks = _asks(cpim)
    if not asks:
        return None
    try:
        return _wish(cpim, asks)
    except MalformedMessage:
        return None


def _asks(cpim: Cpim) -> frozenset[bytes]:
    values = cpim.get_all(b"disposition-notification", NAMESPACE)
    words = [word.partition(b";")[0] for value in values for word in split_outside(value, b",")]
    return frozenset(word.strip(WSP).lower() for word in words)


def _wish(cpim: Cpim, asks: frozenset[bytes]) -> Wish:
    message_id = cpim.get(b"message-id", NAMESPACE)
    if not 0 < len(message_id) <= MAX_MESSAGE_ID or message_id.translate(VISIBLE_ONLY) != message_id:
        raise MalformedMessage("Bad Message-ID")
    sent_at = cpim.get(b"datetime")
    if len(sent_at) > _MAX_TIME or sent_at.translate(_TIME_ONLY) != sent_at:
        sent_at = b""
    to_uri = _uri(cpim.get(b"to"))
    original = cpim.get(b"original-to", NAMESPACE)
    return Wish(
        message_id,
        sent_at,
        _uri(cpim.get(b"from")),
        to_uri,
        _uri(original) if original else to_uri,
        asks,
    )


def _uri(value: bytes) -> bytes:
    """The URI of `Name <URI>`. Raises MalformedMessage."""
    if value.translate(None, CONTROLS) != value:
        raise MalformedMessage("Bad Address")
    return NameAddr.parse(value).uri


def build_imdn(
    row: StoredMessage,
    wish: Wish,
    disposition: Disposition,
    parties: Parties,
    policy: SiloPolicy,
    wall: float,
    fresh: bytes,
    ahead: float = 0.0,
) -> StoredMessage:
    """The receipt to the sender of `row`, as a row for the sender's mailbox. `fresh` is a fresh id.

    The receipt is from the mailbox of `row`, and counts against the hourly limit of the sender. `ahead`: system time
    minus silo time, in seconds.
    """
    call_id, content_type = fresh + b"@msilod", CPIM
    aor = row.sender
    body = _wrapper(parties, fresh) + _part(_xml(wish, parties, disposition, row, ahead))
    return StoredMessage(
        aor=aor,
        sender=row.aor,
        hash=duplicate_hash(call_id, 1, fresh, row.aor, aor, content_type, body),
        request_uri=parties.sender,
        from_header=b"<%b>;tag=%b" % (parties.author, fresh),
        to_header=b"<%b>" % parties.sender,
        call_id=call_id,
        cseq=1,
        content_type=content_type,
        headers=b"Auto-Submitted: auto-generated\r\n",
        body=body,
        received_at=wall,
        expires_at=wall + min(policy.expire_time, policy.imdn_expire_time),
        size=len(body),
        booked_on=row.sender,
    )


def _wrapper(parties: Parties, fresh: bytes) -> bytes:
    """The header of the wrapper, from the recipient to the sender (§7.2.1.1)."""
    return (
        b"From: <%b>\r\nTo: <%b>\r\nNS: imdn <%b>\r\nimdn.Message-ID: %b\r\n\r\n"
        % (parties.recipient, parties.sender, NAMESPACE, fresh)
    )  # fmt: skip


def _part(xml: bytes) -> bytes:
    return (
        b"Content-Type: %b\r\nContent-Disposition: notification\r\nContent-Length: %d\r\n\r\n%b"
        % (IMDN, len(xml), xml)
    )  # fmt: skip


def _xml(wish: Wish, parties: Parties, disposition: Disposition, row: StoredMessage, ahead: float) -> bytes:
    """The report: id, time and recipient of the message, and the disposition (§11.1)."""
    received = datetime.fromtimestamp(int(row.received_at + ahead), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    element = f"{_ELEMENT[disposition]}-notification"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<imdn xmlns="urn:ietf:params:xml:ns:imdn">\n'
        f"<message-id>{_text(wish.message_id)}</message-id>\n"
        f"<datetime>{_text(wish.sent_at) or received}</datetime>\n"
        f"<recipient-uri>{_text(parties.recipient)}</recipient-uri>\n"
        f"<original-recipient-uri>{_text(wish.original_to)}</original-recipient-uri>\n"
        f"<{element}><status><{disposition}/></status></{element}>\n</imdn>\n"
    ).encode()


def _text(value: bytes) -> str:
    return escape(value.decode("ascii", "replace"))
