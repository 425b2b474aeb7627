"""RegistrarPolicy: what the [registrar] section of msilod.toml allows. Rule: data only."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """Seconds, and a count of contacts per AOR.

    `mark` is the same for the same values: what was decided under another policy is decided again.
    """

    default_expires: int = 3600
    min_expires: int = 60
    max_expires: int = 86400
    max_contacts: int = 10
    mark: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = (self.default_expires, self.min_expires, self.max_expires, self.max_contacts)
        object.__setattr__(self, "mark", b"%d %d %d %d" % values)
