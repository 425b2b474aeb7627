"""Headless Chromium on the chat page of contrib/, driven through tests/peers/browser/drive.mjs.

Rules: what a test says here is what a person would do: fill in, click, read. A page is served by us on loopback.
"""

import functools
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.peers.conftest import program

ROOT: Final = Path(__file__).parents[2]
CHAT: Final = ROOT / "contrib" / "chat"
DRIVER: Final = Path(__file__).parent / "browser"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests' output is theirs."""


class Tab:
    """One browser with the chat page open, and a profile of its own."""

    def __init__(self, chromium: "Chromium", name: str) -> None:
        self.chromium = chromium
        self.name = name
        self._do("open", url=chromium.url)

    def _do(self, verb: str, **more: object) -> Any:
        return self.chromium.command({"do": verb, "tab": self.name, **more})

    def sign_in(self, server: str, address: str, password: str = "") -> None:
        """Fill in the form and press the button; `wait_for_state` tells how it went."""
        self._do("fill", fields={"#server": server, "#address": address, "#password": password})
        self._do("click", selector="#login button")

    def wait_for_state(self, text: str) -> None:
        """Until the page says so."""
        self._do("wait", js=f"document.getElementById('state').textContent === {json.dumps(text)}")

    def sign_out(self) -> None:
        """Press the button."""
        self._do("click", selector="#leave")

    def send(self, to: str, text: str) -> None:
        """Write and press the button."""
        self._do("fill", fields={"#to": to, "#text": text})
        self._do("click", selector="#compose button")

    def wait_for_lines(self, count: int) -> list[str]:
        """Until the conversation has `count` lines; their texts without the notes above them."""
        self._do("wait", js=f"document.querySelectorAll('#log li').length >= {count}")
        texts: list[str] = self._do(
            "read", js="[...document.querySelectorAll('#log li')].map(l => l.lastChild.data)"
        )
        return texts

    def wait_for_note(self, words: str) -> None:
        """Until the last line's note ends with these words."""
        self._do(
            "wait",
            js=f"[...document.querySelectorAll('#log small')].at(-1).textContent.endsWith({json.dumps(words)})",
        )

    def die(self) -> None:
        """As a crash: no goodbye to anybody."""
        self._do("close")


class Chromium:
    """The browser and the page's web server."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        self.url = url
        self._process = process

    @property
    def origin(self) -> str:
        return self.url.rstrip("/")

    def command(self, command: dict[str, object]) -> Any:
        """One command, its value; AssertionError when the browser could not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, (command, answer["error"])
        return answer["value"]

    def open(self, name: str) -> Tab:
        """A new browser."""
        return Tab(self, name)


def needs(path: Path, how: str) -> None:
    """Skip where an npm package is not built; in CI that is a failure."""
    if path.exists():
        return
    if os.environ.get("MSILOD_CI"):
        pytest.fail(f"no {path.relative_to(ROOT)}, and CI makes it")
    pytest.skip(f"no {path.relative_to(ROOT)}: {how}")


def find() -> tuple[str, str]:
    """Where Node.js and Chromium are; skips with a reason where these or our packages for them are missing."""
    found = program("node"), program("chromium")
    needs(CHAT / "jssip.js", "npm install && npm run build in contrib/chat")
    needs(DRIVER / "node_modules" / "playwright-core", "npm install in tests/peers/browser")
    return found


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Chromium with the chat page; skips with a reason where a part of it is missing."""
    node, browser = find()
    handler = functools.partial(_Quiet, directory=str(CHAT))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        process = subprocess.Popen(
            [node, str(DRIVER / "drive.mjs"), browser],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Chromium(f"http://127.0.0.1:{served.server_address[1]}/", process)
        finally:
            process.communicate(timeout=20)
            served.shutdown()
