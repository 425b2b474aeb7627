"""Members: decides which names are users of this server, and whether passwords are required ([auth] mode)."""

from msilod.auth.policy import AuthPolicy
from msilod.auth.users import Users


class Members:
    """The users, as the [auth] section applies to them. Call `refresh` after a change of `users`.

    `is_closed`: passwords are required. `knows_names`: names in a domain of this server may be unknown. `own_aor`: the
    AOR for messages of this server ([silo] registrar), "" for none.
    """

    __slots__ = ("is_closed", "knows_names", "own_aor", "policy", "users")

    def __init__(self, users: Users, policy: AuthPolicy) -> None:
        self.users = users
        self.own_aor = ""
        self.configure(policy)

    def configure(self, policy: AuthPolicy) -> None:
        """Use this policy from now on."""
        self.policy = policy
        self.refresh()

    def refresh(self) -> None:
        """The users have changed, or can or cannot be read now. Unreadable users close the server."""
        mode, users = self.policy.mode, self.users
        self.is_closed = mode == "required" or (mode == "auto" and (users.existed or not users.is_readable))
        self.knows_names = mode != "off" and users.existed

    def is_known(self, aor: str) -> bool:
        """False for a name in a domain of this server without a user. Before there are users, all names are known."""
        return not self.knows_names or self.users.knows(aor) or aor == self.own_aor

    def is_user(self, aor: str) -> bool:
        """True for a known name. False for all names before there are users."""
        return bool(aor) and self.knows_names and self.is_known(aor)

    def realm_of(self, aor: str) -> str:
        """Return the realm that the password of `aor` was hashed with."""
        return self.policy.realm_of(aor.rpartition("@")[2])
