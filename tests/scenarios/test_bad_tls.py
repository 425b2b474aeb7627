"""`msilod check` and `start` with unusable certificates: exit 78, and one line with the key and the remedy."""

import subprocess
from pathlib import Path

import pytest

from tests.scenarios.conftest import Daemon
from tests.transport.authority import Authority

TLS = '[listen]\ntls = ["127.0.0.1:0"]\n[tls]\n'


def check(folder: Path, config: str, verb: str = "check") -> "subprocess.CompletedProcess[str]":
    return Daemon(folder, config).msilod(verb)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue("example.test")
    made.issue("example.test", as_file="other")
    (tmp_path / "junk").write_text("no PEM")
    return made


@pytest.mark.parametrize("verb", ["check", "start"])
@pytest.mark.parametrize(
    ("config", "words"),
    [
        (TLS, ["tls.certificate", "tls:127.0.0.1:0 needs one", "PEM"]),
        (f'{TLS}certificate = "none.pem"\n', ["line 4: tls.certificate", "no such file"]),
        (f'{TLS}certificate = "server.pem"\n', ["tls.private_key", "no private key"]),
        (
            f'{TLS}certificate = "server.pem"\nprivate_key = "none.key"\n',
            ["line 5: tls.private_key", "no such file"],
        ),
        (
            f'{TLS}certificate = "server.pem"\nprivate_key = "other.key"\n',
            ["line 5: tls.private_key", "does not belong", "server.pem"],
        ),
        (f'{TLS}certificate = "junk"\n', ["line 4: tls.certificate", "no certificate"]),
        (
            f'{TLS}certificate = "server.pem"\nprivate_key = "server.key"\nca = "junk"\n',
            ["line 6: tls.ca", "no certificate"],
        ),
        ('[tls]\nprivate_key = "server.key"\n', ["line 2: tls.", "certificate"]),
        ('[listen]\nws_origins = ["chat"]\n', ["line 2: listen.ws_origins", "https://"]),
        ('[listen]\nwss = ["127.0.0.1"]\n', ["line 2: listen.wss", "ADDR:PORT"]),
        ("[listen]\nidle_timeout = 1\n", ["line 2: listen.idle_timeout"]),
    ],
)
def test_a_bad_file_is_78_and_one_line(
    authority: Authority, tmp_path: Path, config: str, words: list[str], verb: str
) -> None:
    done = check(tmp_path, config, verb)
    assert done.returncode == 78
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_a_good_one_is_0_and_names_its_listeners(authority: Authority, tmp_path: Path) -> None:
    done = check(tmp_path, f'{TLS}certificate = "server.pem"\nprivate_key = "server.key"\nca = "ca.pem"\n')
    assert (done.returncode, done.stderr) == (0, "")
    assert "tls:127.0.0.1:0" in done.stdout
