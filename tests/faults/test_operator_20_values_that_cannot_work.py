"""Operator 11 and 20: a value that cannot work is refused with file, line, key and the right form."""

import re
from pathlib import Path

import pytest

from msilod.errors import ConfigError, UsageError
from msilod.settings import Options, load, read
from msilod.sip.uri import is_host

WRONG = {
    'domains = ["sip:example.test"]': r"line 1: domains: 'sip:example.test' is no domain; write example\.test",
    'domains = ["example.test:5060"]': r"line 1: domains: .* write example\.test$",
    'domains = ["https://example.test/"]': r"line 1: domains: .* write example\.test$",
    'domains = ["bob@example.test"]': r"line 1: domains: .* write example\.test$",
    'domains = ["a domain"]': r"line 1: domains: .* write a name like example\.test$",
    "[silo]\nmode = 5": r"line 2: silo\.mode: .*write 0 or 1 or 2$",
    '[auth]\nmode = "sometimes"': r"line 2: auth\.mode: .*write 'auto' or 'off' or 'required'$",
    '[auth]\nalgorithms = ["SHA1"]': r"line 2: auth\.algorithms: .*write 'SHA-512-256' or 'SHA-256' or 'MD5'$",
    '[silo]\nnotice = "{nobody} is away"': r"line 2: silo\.notice: \{nobody\} has no meaning; write \{recipient\}",
    '[silo]\nfailure_notice = "{why}"': r"line 2: silo\.failure_notice: \{why\} has no meaning",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_value_is_refused_with_the_right_form(tmp_path: Path, text: str) -> None:
    file = tmp_path / "msilod.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert re.search(WRONG[text], str(caught.value)), str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")


def test_the_same_listener_twice_is_refused_but_port_0_is_another_port_each_time(tmp_path: Path) -> None:
    file = tmp_path / "msilod.toml"
    file.write_text('[listen]\nudp = ["127.0.0.1:5070", "127.0.0.1:5070"]\n')
    with pytest.raises(ConfigError, match=r"listen: udp:127\.0\.0\.1:5070 stands there twice"):
        load(file, {})
    file.write_text('[listen]\nudp = ["127.0.0.1:0", "127.0.0.1:0"]\n')
    assert len(load(file, {}).listeners) == 3


@pytest.mark.parametrize(
    "options", [Options(listen=["foo"]), Options(domains=["sip:example.test"]), Options(domains=[""])]
)
def test_a_wrong_option_is_a_fault_of_usage(options: Options) -> None:
    with pytest.raises(UsageError, match=r"^--(listen|domain)"):
        load(None, {"HOME": "/nonexistent"}, options)


def test_a_quota_may_be_more_than_two_gigabytes(tmp_path: Path) -> None:
    file = tmp_path / "msilod.toml"
    file.write_text("[silo]\nmax_bytes = 9_000_000_000\n")
    assert read(file).silo.max_bytes == 9_000_000_000


@pytest.mark.parametrize(
    "text", ["example.test", "example.test.", "a_b", "192.0.2.1", "::1", "[2001:db8::1]"]
)
def test_a_host_is_a_name_or_an_address(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize("text", ["", ".", "a b", "a@b", "a:5060", "[::1", "::1]", "zz::zz", "a/b"])
def test_other_words_are_no_host(text: str) -> None:
    assert not is_host(text)
