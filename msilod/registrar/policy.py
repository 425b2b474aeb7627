"""RegistrarPolicy: the [registrar] section of msilod.toml. Rule: data only.

The key `ping` is not here: daemon/configuring.py gives `ping` to serving/pings.py.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """The times are in seconds; `max_contacts` is per AOR.

    The defaults are those of config.py; tests/daemon/test_policies.py compares the two.

    `mark` is made of all values. After a reload with other values the mark differs, and refresh.py does not take a
    REGISTER with the same lines as a refresh: registration.py applies the new values. So each new field of the policy
    belongs into `mark`.
    """

    default_expires: int = 3600
    min_expires: int = 60
    max_expires: int = 86400
    max_contacts: int = 10
    mark: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = (self.default_expires, self.min_expires, self.max_expires, self.max_contacts)
        object.__setattr__(self, "mark", b"%d %d %d %d" % values)
