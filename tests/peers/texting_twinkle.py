"""bob on a twinkle-console texts and is texted, with passwords and the default configuration; alice is a phone on UDP.

`python -m tests.peers.texting_twinkle FOLDER TRANSPORT` inside a network namespace; ends with 0 when all of it held.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

from tests.peers.baresip import HERE, until
from tests.peers.twinkle import Twinkle
from tests.scenarios.account import Account
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone


def main(folder: Path, transport: str) -> None:
    with ExitStack() as closing:
        daemon = Daemon(folder)
        daemon.listen = (f"{transport}:{HERE}",)
        # Beyond loopback a daemon serves only when there are users.
        daemon.msilo("db", "upgrade")
        for name in ("alice", "bob"):
            added = daemon.msilo("user", "add", f"{name}@example.test", "-", stdin="secret\n")
            assert added.returncode == 0, added.stderr
        daemon.start()
        closing.callback(daemon.stop)
        server = daemon.ports[f"{transport}:{HERE}"]
        alice = Account(closing.enter_context(Phone("alice", daemon.address)), "secret")

        assert alice.text("bob", "for later").status == 202
        bob = Twinkle(folder, "bob", 5090, server, transport)
        closing.callback(bob.kill)
        until(lambda: bob.says("registration succeeded"))
        until(lambda: bob.says("for later"))
        until(lambda: not daemon.rows())

        bob.command("message sip:alice@example.test kept")
        until(lambda: len(daemon.rows()) == 1)
        assert alice.register().status == 200
        assert alice.phone.take().body == b"kept"
        bob.command("message sip:alice@example.test relayed")
        assert alice.phone.take().body == b"relayed"
        assert alice.text("bob", "and back").status == 200
        until(lambda: bob.says("and back"))

        bob.quit()
        assert "sip:bob@" not in daemon.msilo("bindings").stdout
        assert alice.text("bob", "after the goodbye").status == 202

        wrong = Twinkle(folder, "bob", 5094, server, transport, "wrong")
        closing.callback(wrong.kill)
        until(lambda: wrong.says("registration failed"))
        assert "sip:bob@" not in daemon.msilo("bindings").stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
