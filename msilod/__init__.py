"""msilod: SIP registrar, stateful proxy and message silo in one trio daemon.

                           bytes                 decisions on plain data                        rows
 UDP/TCP/TLS/WS ─► transport/ ─► sip/ ─► transaction/ ─► routing/ registrar/ proxy/ silo/ ─► store/ ─► SQLite
                    (trio)       pure      pure                 pure                        thread, Peewee
                       ▲                                                                       ▲
                       └──────────────── daemon/ (the only room that knows everybody) ─────────┘

ARCHITECTURE.md tells what belongs in which room, and walks a message through them.
"""

__version__ = "0.1.0"
