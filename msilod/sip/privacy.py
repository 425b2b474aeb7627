"""P-Asserted-Identity and Privacy: whose word about a sender goes on, and to whom (RFC 3325, RFC 3323).

    Privacy-hdr  = "Privacy" HCOLON priv-value *(";" priv-value)
    priv-value   = "header" / "session" / "user" / "none" / "critical" / "id" / token

Rules: an assertion of somebody whom we do not trust goes to nobody (RFC 3325 §5); with `id` none leaves the trust
domain, and user agents are outside of it (§7); without a Privacy field, or with `none`, it stays. We are no privacy
service (RFC 3323 §5): all other priv-values pass, `critical` too, for whoever is one.
"""

from typing import Final

from msilod.sip.grammar import WSP
from msilod.sip.headers import Headers

ASSERTED: Final = b"p-asserted-identity"
PREFERRED: Final = b"p-preferred-identity"
# What P-Asserted-Identity was before RFC 3325 (draft-ietf-sip-privacy). Phones still show it as the caller.
REMOTE_PARTY: Final = b"remote-party-id"


def asks_for_id(value: bytes) -> bool:
    """True when a Privacy field's value has the priv-value `id`."""
    # Some write a comma list, which no rule of the RFC allows, and mean it all the same.
    return any(part.strip(WSP).lower() == b"id" for part in value.replace(b",", b";").split(b";"))


def guard_identity(headers: Headers, is_from_trusted: bool, is_to_trusted: bool) -> None:
    """Take out what must not go on: a stranger's assertion; a hidden one that would leave the trust domain.

    P-Preferred-Identity is a hint for the first trusted proxy and ends there (RFC 3325 §5).
    """
    headers.remove(PREFERRED)
    is_hidden = not is_to_trusted and any(map(asks_for_id, headers.get_all(b"privacy")))
    if not is_from_trusted or is_hidden:
        headers.remove(ASSERTED)
        headers.remove(REMOTE_PARTY)
