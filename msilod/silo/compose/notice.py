"""Notice: builds msilo's texts to senders, for stored ("user is offline") and failed messages.

A notice must never cause another notice. Notices are sent only for text written by a person, not for receipts,
is-composing or automata, and neither from nor to the notice address itself. One notice of a kind is sent per sender,
recipient and period. Two phones answering every MESSAGE with a receipt then exchange no notices.
"""

from collections import OrderedDict
from enum import StrEnum
from typing import Final

from msilod.errors import MalformedMessage
from msilod.silo.compose.delivery_request import outbound_route
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.dates import format_date
from msilod.sip.grammar import WSP
from msilod.sip.headers import Headers
from msilod.sip.message import Request
from msilod.sip.uri import SipUri, request_uri

# Seconds. More notices an hour tell the sender nothing new.
PERIOD: Final = 3_600.0
MAX_REMEMBERED: Final = 100_000
# Header fields of automatic messages (RFC 3834 §5) and of mailing lists.
_AUTOMATON: Final = frozenset((b"auto-submitted", b"list-id", b"precedence", b"x-auto-response-suppress"))


class Kind(StrEnum):
    """The kind of a notice."""

    OFFLINE = "offline"
    FAILED = "failed"


class NoticeMemory:
    """The time of the last notice per sender, recipient and kind, for the last MAX_REMEMBERED notices."""

    def __init__(self, period: float = PERIOD, limit: int = MAX_REMEMBERED) -> None:
        self.period = period
        self.limit = limit
        self._told: OrderedDict[int, float] = OrderedDict()

    def may_tell(self, sender: str, recipient: str, wall: float, kind: str = Kind.OFFLINE) -> bool:
        """True at most once per period for the pair and the kind. After True the notice counts as sent."""
        key = hash((kind, sender, recipient))
        told_at = self._told.get(key)
        if told_at is not None and told_at <= wall < told_at + self.period:
            return False
        self._told[key] = wall
        self._told.move_to_end(key)
        if len(self._told) > self.limit:
            self._told.popitem(last=False)
        return True

    def __len__(self) -> int:
        return len(self._told)


def may_notify(row: StoredMessage, kind: Kind, policy: SiloPolicy, memory: NoticeMemory, wall: float) -> bool:
    """True when the sender of `row` should get a notice. After True the notice counts as sent.

    Only for text/*: not for receipts (message/imdn+xml, also within message/cpim) and is-composing.
    """
    registrar, sender, recipient = policy.registrar_aor, row.sender, row.aor
    if not registrar or sender == recipient or registrar in (sender, recipient) or "@" not in sender:
        return False
    if not is_written_by_a_person(row.content_type, row.headers):
        return False
    return memory.may_tell(sender, recipient, wall, kind)


def is_written_by_a_person(content_type: bytes, headers: bytes) -> bool:
    """False for content other than text, and for messages marked as automatic (RFC 3834 §5)."""
    if not content_type.lower().startswith(b"text/"):
        return False
    for text in headers.split(b"\r\n"):
        name, _, value = text.partition(b":")
        name = name.rstrip(WSP).lower()
        if name in _AUTOMATON and not (name == b"auto-submitted" and value.strip(WSP).lower() == b"no"):
            return False
    return True


def notice_text(template: str, row: StoredMessage, reason: str = "") -> bytes:
    """The text of the operator with {recipient}, {sender} and {reason} replaced."""
    words = {"{recipient}": f"sip:{row.aor}", "{sender}": f"sip:{row.sender}", "{reason}": reason}
    for word, value in words.items():
        template = template.replace(word, value)
    return template.encode()


def build_notice(
    to_uri: bytes, text: bytes, policy: SiloPolicy, system: float, call_id: bytes, from_tag: bytes
) -> Request:
    """The notice with `text` to a sender. `to_uri` is the URI in the sender's From.

    `system` is system time in seconds; `call_id` and `from_tag` are fresh ids. The notice has no Via and no Contact
    (RFC 3428 §4). Raises MalformedMessage if the sender's URI is no SIP URI, ValueError if no registrar is configured.
    """
    if not policy.registrar_aor:
        raise ValueError("a notice needs a registrar address")
    uri = SipUri.parse(to_uri)
    if uri.user is None:
        raise MalformedMessage("URI Without User")
    target = request_uri(str(uri))
    headers = Headers()
    if policy.next_hop:
        headers.add(b"Route", outbound_route(policy.next_hop))
    headers.add(b"Max-Forwards", b"70")
    headers.add(b"From", b"<sip:%b>;tag=%b" % (policy.registrar_aor.encode("ascii"), from_tag))
    headers.add(b"To", b"<%b>" % target)
    headers.add(b"Call-ID", call_id)
    headers.add(b"CSeq", b"1 MESSAGE")
    headers.add(b"Date", format_date(system))
    headers.add(b"Auto-Submitted", b"auto-replied")
    headers.add(b"Content-Type", b"text/plain")
    return Request(b"MESSAGE", target, headers, text, cseq=1, call_id=call_id)
