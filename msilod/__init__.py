"""msilod: SIP registrar, stateful proxy and message silo in one trio daemon.

                           bytes                 decisions on plain data                        rows
 UDP/TCP/TLS/WS ─► transport/ ─► sip/ ─► transaction/ ─► routing/ registrar/ proxy/ silo/ ─► store/ ─► SQLite
                    (trio)       pure      pure                 pure                   own process, Peewee
                       ▲                                                                       ▲
                       └─────────────── daemon/ (the only room that imports all rooms) ────────┘

ARCHITECTURE.md says which code belongs in which room, and follows a message through the rooms. The modules in this
folder belong to no room: configuration, errors, log, clock, and small modules for all rooms.
"""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

__version__ = "0.1.0"


def is_compiled() -> bool:
    """True when the modules on the path of each message are compiled (README, "How fast")."""
    parser = Path(__file__).with_name("sip") / "parser"
    return any(parser.with_suffix(suffix).exists() for suffix in EXTENSION_SUFFIXES)
