"""RegistrarPolicy: the [registrar] section of msilod.toml. Rule: data only."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """The times are in seconds; `max_contacts` is per AOR.

    `mark` depends on the values alone. A changed mark makes refresh.py decide again.
    """

    default_expires: int = 3600
    min_expires: int = 60
    max_expires: int = 86400
    max_contacts: int = 10
    mark: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = (self.default_expires, self.min_expires, self.max_expires, self.max_contacts)
        object.__setattr__(self, "mark", b"%d %d %d %d" % values)
