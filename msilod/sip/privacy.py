"""P-Asserted-Identity and Privacy: which identities of a sender are passed on (RFC 3325, RFC 3323).

    Privacy-hdr  = "Privacy" HCOLON priv-value *(";" priv-value)
    priv-value   = "header" / "session" / "user" / "none" / "critical" / "id" / token

Rules:
- An identity asserted by an untrusted peer is removed (RFC 3325 §5).
- With the priv-value `id`, asserted identities stay inside the trust domain; user agents are outside (§7). Without a
  Privacy field, or with `none`, asserted identities are passed on.
- This server is no privacy service (RFC 3323 §5). All other priv-values pass unchanged, `critical` too: a privacy
  service behind this server may serve these.
"""

from typing import Final

from msilod.sip.grammar import WSP
from msilod.sip.headers import Headers

ASSERTED: Final = b"p-asserted-identity"
PREFERRED: Final = b"p-preferred-identity"
# The field before RFC 3325 (draft-ietf-sip-privacy). Phones still show its value as the caller.
REMOTE_PARTY: Final = b"remote-party-id"


def asks_for_id(value: bytes) -> bool:
    """True when a Privacy field's value has the priv-value `id`."""
    # Some clients write a comma list. The RFC has no comma here, but the meaning is clear.
    return any(part.strip(WSP).lower() == b"id" for part in value.replace(b",", b";").split(b";"))


def guard_identity(headers: Headers, is_from_trusted: bool, is_to_trusted: bool) -> None:
    """Remove identities asserted by an untrusted peer, and hidden identities from messages to an untrusted peer.

    P-Preferred-Identity is a hint for the first trusted proxy, and is always removed (RFC 3325 §5).
    """
    headers.remove(PREFERRED)
    is_hidden = not is_to_trusted and any(map(asks_for_id, headers.get_all(b"privacy")))
    if not is_from_trusted or is_hidden:
        headers.remove(ASSERTED)
        headers.remove(REMOTE_PARTY)
