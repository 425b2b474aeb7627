"""Operator 1: `export -o NAME` replaces regular files only; devices and FIFOs are written through."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from msilo_cli.output_file import PREFIX, output_file
from tests.scenarios.conftest import Daemon


@pytest.fixture
def silo(tmp_path: Path) -> Daemon:
    """A silo with two messages and no daemon."""
    folder = tmp_path / "state"
    folder.mkdir()
    one = Daemon(folder)
    assert one.msilo("db", "upgrade").returncode == 0
    for text in ("one", "two"):
        assert one.msilo("inject", "bob@example.test", text).returncode == 0
    return one


def bodies(text: str) -> list[str]:
    return [json.loads(line)["body"] for line in text.splitlines()]


def write(path: Path, meanwhile: Callable[[], None]) -> None:
    with output_file(path) as stream:
        meanwhile()
        stream.write("x")


def test_a_fifo_stays_a_fifo(silo: Daemon, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()
    done = silo.msilo("export", "-o", str(fifo))
    reader.join(20)
    assert (done.returncode, done.stderr) == (0, "2 exported\n")
    assert stat.S_ISFIFO(fifo.lstat().st_mode)
    assert bodies(got[0]) == ["one", "two"]


def test_a_reader_that_leaves_is_an_error(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(BrokenPipeError):
        write(fifo, lambda: os.close(reader))


def test_a_device_is_written_through_and_its_error_is_told(silo: Daemon, tmp_path: Path) -> None:
    for name, code in (("/dev/null", 0), ("/dev/full", 69)):
        done = silo.msilo("export", "-o", name)
        assert done.returncode == code, done.stderr
        assert stat.S_ISCHR(os.stat(name).st_mode)
        assert "Traceback" not in done.stderr


def test_standard_output_by_its_name_goes_behind_what_is_there(silo: Daemon, tmp_path: Path) -> None:
    assert bodies(silo.msilo("export", "-o", "/dev/stdout").stdout) == ["one", "two"]
    log = tmp_path / "log"
    log.write_text('{"body": "zero"}\n')
    inode = log.stat().st_ino
    with log.open("a") as stream:
        command = [sys.executable, "-m", "msilo_cli", "export", "-o", "/dev/stdout"]
        assert (
            subprocess.run(command, env=silo.environment, stdout=stream, timeout=60, check=False).returncode
            == 0
        )
    assert bodies(log.read_text()) == ["zero", "one", "two"]
    assert log.stat().st_ino == inode


def test_a_link_is_followed_and_stays(silo: Daemon, tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_text("former")
    link.symlink_to("target")
    dangling.symlink_to("not-yet")
    for name in (link, dangling):
        assert silo.msilo("export", "-o", str(name)).returncode == 0
        assert name.is_symlink()
        assert bodies(name.read_text()) == ["one", "two"]
    assert bodies(target.read_text()) == ["one", "two"]
    fifo, to_fifo = tmp_path / "fifo", tmp_path / "to-fifo"
    os.mkfifo(fifo)
    to_fifo.symlink_to(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert silo.msilo("export", "-o", str(to_fifo)).returncode == 0
    assert bodies(os.read(reader, 65536).decode()) == ["one", "two"]
    os.close(reader)
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


def test_a_planted_link_is_not_followed(silo: Daemon, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "out.part").symlink_to(precious)
    assert silo.msilo("export", "-o", str(tmp_path / "out")).returncode == 0
    assert precious.read_text() == "precious"
    assert not (tmp_path / "out").is_symlink()


def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("former")
    modes: list[int] = []

    def interrupt() -> None:
        modes.extend(part.stat().st_mode & 0o777 for part in tmp_path.glob(f"{PREFIX}*"))
        raise KeyboardInterrupt

    umask = os.umask(0)
    try:
        with pytest.raises(KeyboardInterrupt):
            write(target, interrupt)
    finally:
        os.umask(umask)
    assert modes == [0o600]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert target.read_text() == "former"


def test_what_takes_the_name_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(FileExistsError):
        write(target, lambda: os.mkfifo(target))
    assert stat.S_ISFIFO(target.lstat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_the_temporary_file(tmp_path: Path, sign: signal.Signals) -> None:
    program = (
        "import os, sys, signal, pathlib, msilo_cli.__main__ as m, msilo_cli.app as a\n"
        "from msilo_cli.output_file import output_file\n"
        "def app():\n"
        f"    with output_file(pathlib.Path({str(tmp_path / 'out')!r})):\n"
        f"        os.kill(os.getpid(), {int(sign)})\n"
        "        signal.pause()\n"
        "a.app = app\n"
        "m.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert done.returncode == 128 + sign, done.stderr
    assert list(tmp_path.iterdir()) == []
