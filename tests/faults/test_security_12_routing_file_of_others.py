"""Security 12: the routing file is executed only when root or the daemon's user alone can change it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from msilod.control.protocol import ControlClient
from msilod.errors import ConfigError, MsilodError
from msilod.routing.policy_file import load_policy
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]

# An executed file leaves a mark in the same folder.
POLICY = """
from pathlib import Path
from msilod.routing import Break, Reply

Path(__file__).with_name("executed").touch()


def route(request):
    return Reply(486)


def failure_route(request, status):
    return Break()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    folder = tmp_path / "etc" / "routing"
    folder.mkdir(parents=True)
    path = folder / "policy.py"
    path.write_text(POLICY)
    path.chmod(0o640)
    return path


def was_executed(policy: Path) -> bool:
    return policy.with_name("executed").exists()


def refused(path: Path, named: Path, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as raised:
        load_policy(path)
    assert str(named) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_of_our_own_is_executed(policy: Path) -> None:
    policy.chmod(0o660)
    policy.parent.chmod(0o2770)
    load_policy(policy)
    assert was_executed(policy)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_everybody_may_write_to_is_not(policy: Path, level: int) -> None:
    part = (policy, policy.parent, policy.parent.parent)[level]
    part.chmod(0o777)
    refused(policy, part, f"writable by everybody; write chmod o-w {part}")
    assert not was_executed(policy)


def test_the_sticky_bit_spares_a_folder_further_above_and_not_the_files_own(policy: Path) -> None:
    policy.parent.parent.chmod(0o1777)
    load_policy(policy)
    policy.parent.chmod(0o1777)
    refused(policy, policy.parent, "writable by everybody")


@as_root
@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_belongs_to_another_user_is_not(policy: Path, level: int) -> None:
    part = (policy, policy.parent, policy.parent.parent)[level]
    os.chown(part, 12345, 0)
    refused(policy, part, "belongs to user id 12345")
    assert not was_executed(policy)


def test_a_link_is_followed_first(policy: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(policy)
    load_policy(link)
    policy.parent.chmod(0o777)
    refused(link, policy.parent, "writable by everybody")


def test_a_loop_of_links_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    loop, pipe = tmp_path / "loop.py", tmp_path / "pipe.py"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    refused(loop, loop, "cannot be read")
    refused(tmp_path, tmp_path, "Is a directory")
    refused(pipe, pipe, "no regular file")


@pytest.mark.parametrize("verb", ["check", "start"])
def test_check_and_start_exit_78_and_a_reload_keeps_the_policy(
    policy: Path, start_daemon: Callable[..., Daemon], verb: str
) -> None:
    daemon = start_daemon()
    daemon.config.write_text(f'routing = "{policy}"\n')
    policy.chmod(0o666)
    with ControlClient(daemon.folder / "control.sock") as client, Phone("alice", daemon.address) as alice:
        with pytest.raises(MsilodError, match="writable by everybody"):
            client.call("reload")
        assert alice.register().status == 200, "the policy from before"
        policy.chmod(0o644)
        client.call("reload")
        assert alice.register().status == 486
        policy.chmod(0o666)
        with pytest.raises(MsilodError):
            client.call("reload")
        assert alice.register().status == 486
    daemon.stop()
    done = daemon.msilod(verb)
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert f"{policy} is writable by everybody" in done.stderr
