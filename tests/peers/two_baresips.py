"""Two baresips and a daemon in a network namespace of their own: alice calls bob, and bob hangs up.

`python -m tests.peers.two_baresips FOLDER TRANSPORT`, inside the namespace, where HERE is an address of lo: baresip
wants one outside 127/8. Ends with 0 and the daemon's count of relayed requests on standard output.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

from tests.peers.baresip import HERE, Baresip, until
from tests.scenarios.conftest import Daemon


def main(folder: Path, transport: str) -> None:
    with ExitStack() as closing:
        daemon = Daemon(folder, '[auth]\nmode = "off"\n')
        daemon.listen = (f"udp:{HERE}", f"tcp:{HERE}")
        daemon.start()
        closing.callback(daemon.stop)
        server = daemon.ports[f"{transport}:{HERE}"]
        bob = Baresip(folder, "bob", 5080, server, transport, ";answermode=auto")
        closing.callback(bob.stop)
        alice = Baresip(folder, "alice", 5090, server, transport)
        closing.callback(alice.stop)
        until(lambda: daemon.msilo("bindings").stdout.count("\n") == 2)
        alice.command("dial", "sip:bob@example.test")
        for phone in (alice, bob):
            phone.wait_for("CALL_ESTABLISHED")
        bob.command("hangup")
        alice.wait_for("CALL_CLOSED")
        sys.stdout.write(daemon.msilo("status", "--json").stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
