"""bob on a baresip and alice in a browser text each other, with passwords, in a network namespace of their own.

`python -m tests.peers.baresip_and_browser FOLDER TRANSPORT` inside the namespace, where TRANSPORT is baresip's and the
browser comes by secure WebSocket; ends with 0 when all of it held.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

from tests.peers.baresip import until
from tests.peers.chromium import chromium
from tests.peers.texting_baresip import Place


def main(folder: Path, transport: str) -> None:
    with ExitStack() as closing:
        place = Place(folder, transport, closing, "wss:127.0.0.1")
        alice = closing.enter_context(chromium()).open("alice")
        alice.sign_in(
            f"wss://127.0.0.1:{place.daemon.ports['wss:127.0.0.1']}", "alice@example.test", "secret"
        )
        alice.wait_for_state("signed in")
        alice.send("bob@example.test", "kept 🐎")
        alice.wait_for_note("kept until they are back")
        bob = place.baresip()
        until(lambda: bob.texts() == ["kept 🐎"])
        bob.command("message", "from a baresip")
        assert alice.wait_for_lines(2)[-1] == "from a baresip"
        alice.send("bob@example.test", "from a browser")
        alice.wait_for_note("delivered")
        assert bob.texts()[-1] == "from a browser"
        alice.die()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
