"""bob on a baresip texts and is texted, with passwords, in a network namespace of its own; alice is a phone on UDP.

`python -m tests.peers.texting_baresip FOLDER TRANSPORT` inside the namespace; ends with 0 when all of it held.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Final

from tests.peers.baresip import HERE, Baresip, until
from tests.scenarios.account import Account
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone
from tests.transport.authority import Authority

# baresip 1.0.0 looks at the first challenge only, and knows MD5 only.
CONFIG: Final = """
[auth]
algorithms = ["MD5"]
[proxy]
fr_timer = {fr_timer}
[tls]
certificate = "server.pem"
private_key = "server.key"
"""
# Seconds that a phone which is silent gets; of a connection that closed we know at once, and wait for nothing.
FR_TIMER: Final = {"udp": 3, "tcp": 9, "tls": 9}
TEXTS: Final = [*(f"{n}: Žluťoučký kůň 🐎" for n in range(7)), "4 kB: " + "ě" * 2000]


class Place:
    """A daemon with two users, alice's phone, and a new baresip of bob's whenever one is asked for.

    The daemon listens on `listen` besides.
    """

    def __init__(self, folder: Path, transport: str, closing: ExitStack, *listen: str) -> None:
        self.folder, self.transport, self.closing = folder, transport, closing
        Authority(folder).issue(HERE, "127.0.0.1")
        self.daemon = Daemon(folder, CONFIG.format(fr_timer=FR_TIMER[transport]))
        self.daemon.listen = (f"{transport}:{HERE}", *listen)
        # Beyond loopback a daemon serves only when there are users.
        self.daemon.msilo("db", "upgrade")
        for name in ("alice", "bob"):
            added = self.daemon.msilo("user", "add", f"{name}@example.test", "-", stdin="secret\n")
            assert added.returncode == 0, added.stderr
        self.daemon.start()
        closing.callback(self.daemon.stop)
        self.alice = Account(closing.enter_context(Phone("alice", self.daemon.address)), "secret")
        self.port = 5080

    def baresip(self, password: str = "secret") -> Baresip:
        self.port += 10
        server = self.daemon.ports[f"{self.transport}:{HERE}"]
        made = Baresip(
            self.folder, "bob", self.port, server, self.transport, f";auth_pass={password}", "alice"
        )
        self.closing.callback(made.stop)
        return made

    def leave(self, bob: Baresip) -> None:
        """He un-registers, and is seen to have."""
        bob.command("uadel", "sip:bob@example.test")
        until(lambda: not self.is_registered("bob"))
        bob.stop()

    def is_registered(self, user: str) -> bool:
        return f"sip:{user}@" in self.daemon.msilo("bindings").stdout


def what_waited_comes_in_order(place: Place) -> None:
    for text in TEXTS:
        assert place.alice.text("bob", text).status == 202
    bob = place.baresip()
    until(lambda: len(bob.texts()) == len(TEXTS))
    assert bob.texts() == TEXTS
    until(lambda: not place.daemon.rows())
    place.leave(bob)


def to_somebody_who_is_away_and_to_somebody_who_is_there(place: Place) -> None:
    bob = place.baresip()
    until(lambda: place.is_registered("bob"))
    bob.command("message", "kept 🐎")
    until(lambda: bob.heard("202 Accepted") == 1)
    assert place.alice.register().status == 200
    assert place.alice.phone.take().body.decode() == "kept 🐎"
    bob.command("message", "relayed")
    assert place.alice.phone.take().body == b"relayed"
    assert place.alice.text("bob", "and back").status == 200
    assert bob.texts()[-1] == "and back"
    assert place.alice.register(expires=0).status == 200
    place.leave(bob)


def one_who_unregistered_is_away(place: Place) -> None:
    bob = place.baresip()
    until(lambda: place.is_registered("bob"))
    place.leave(bob)
    assert place.alice.text("bob", "after the goodbye").status == 202


def one_who_died_is_away(place: Place) -> None:
    bob = place.baresip()
    until(lambda: "after the goodbye" in bob.texts())
    until(lambda: not place.daemon.rows())
    bob.stop()
    began = monotonic()
    assert place.alice.text("bob", "after the crash").status == 202
    if place.transport != "udp":
        assert monotonic() - began < FR_TIMER[place.transport] / 2
    again = place.baresip()
    until(lambda: again.texts() == ["after the crash"])


def a_wrong_password_stays_out(place: Place) -> None:
    guesser = place.baresip("wrong")
    until(lambda: guesser.heard("401 Unauthorized") >= 2)
    assert guesser.heard("200 OK") == 0


def main(folder: Path, transport: str) -> None:
    with ExitStack() as closing:
        place = Place(folder, transport, closing)
        what_waited_comes_in_order(place)
        to_somebody_who_is_away_and_to_somebody_who_is_there(place)
        one_who_unregistered_is_away(place)
        one_who_died_is_away(place)
        # The last, for guessing slows down everybody at this address.
        a_wrong_password_stays_out(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
