"""msilod: SIP registrar, stateful proxy and message silo in one trio daemon.

                           bytes                 decisions on plain data                        rows
 UDP/TCP/TLS/WS ─► transport/ ─► sip/ ─► transaction/ ─► routing/ registrar/ proxy/ silo/ ─► store/ ─► SQLite
                    (trio)       pure      pure                 pure                   own process, Peewee
                       ▲                                                                       ▲
                       └──────────────── daemon/ (the only room that knows everybody) ─────────┘

ARCHITECTURE.md tells what belongs in which room, and walks a message through them.
"""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

__version__ = "0.1.0"


def is_compiled() -> bool:
    """Whether the rooms that every message passes are compiled here (README, "How fast")."""
    parser = Path(__file__).with_name("sip") / "parser"
    return any(parser.with_suffix(suffix).exists() for suffix in EXTENSION_SUFFIXES)
