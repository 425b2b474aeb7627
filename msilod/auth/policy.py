"""AuthPolicy: the [auth] section of msilod.toml. Rule: data only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """`mode`: auto, off or required. `inbound`: nobody, trusted or anybody. `algorithms`: best first.

    `realm` is "" when each domain is its own realm. `edges`: networks of edge proxies. `limits_loopback`: loopback has
    the limits of other addresses. `needs_qop`: digest in the form of RFC 2069 is refused.
    """

    mode: str = "auto"
    realm: str = ""
    inbound: str = "nobody"
    algorithms: tuple[bytes, ...] = (b"MD5",)
    edges: tuple[str, ...] = ()
    limits_loopback: bool = False
    needs_qop: bool = False

    def realm_of(self, domain: str) -> str:
        """Return the realm of users of `domain`. Constant for a user, so the HA1 stays right (checklist A7)."""
        return self.realm or domain
