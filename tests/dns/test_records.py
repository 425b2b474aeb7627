"""What of an answer belongs to the question; names (DNS of the hostile inputs)."""

from itertools import pairwise

import pytest

from msilod.dns.records import Alias, Answer, Question, host_name, read_answer
from msilod.errors import TransportError
from tests.dns.zone import record

A = Question("a.test", "A")


def answer(*lines: str) -> Answer:
    return Answer(tuple([record(line) for line in lines]), 60)


def test_dns_records_for_other_names_do_not_count() -> None:
    found = read_answer(A, answer("b.test A 192.0.2.66", "a.test A 192.0.2.1", "a.test AAAA 2001:db8::1"))
    assert found.records == (record("a.test A 192.0.2.1"),)
    assert read_answer(A, answer("b.test A 192.0.2.66")).records == ()


def test_dns_an_alias_leads_to_its_target_only() -> None:
    found = read_answer(A, answer("b.test A 192.0.2.1", "a.test CNAME b.test", "a.test A 192.0.2.66"))
    assert found.records == (record("b.test A 192.0.2.1"),)
    assert found.aliases == ("b.test",)


@pytest.mark.parametrize(
    "lines",
    [("a.test CNAME a.test",), ("a.test CNAME b.test", "b.test CNAME a.test"),
     ("a.test CNAME b.test", "b.test CNAME c.test", "c.test CNAME b.test")],
)  # fmt: skip
def test_dns_an_alias_loop_is_an_error(lines: tuple[str, ...]) -> None:
    with pytest.raises(TransportError, match=r"CNAMEs of a\.test are a loop"):
        read_answer(A, answer(*lines))


def test_dns_four_aliases_pass_and_five_do_not() -> None:
    names = ["a.test", "b.test", "c.test", "d.test", "e.test", "f.test"]
    chain = [Alias(name, target) for name, target in pairwise(names)]
    four = read_answer(A, Answer((*chain[:4], record("e.test A 192.0.2.1")), 60))
    assert four.records == (record("e.test A 192.0.2.1"),)
    with pytest.raises(TransportError, match="more than 4 CNAMEs"):
        read_answer(A, Answer((*chain, record("f.test A 192.0.2.1")), 60))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.TEST.", "example.test"),
        ("_sip._udp.example.test", "_sip._udp.example.test"),
        (f"{'a' * 63}.test", f"{'a' * 63}.test"),
        (f"{'a' * 64}.test", None),
        (".".join(["a" * 60] * 4) + ".abcdefghi", ".".join(["a" * 60] * 4) + ".abcdefghi"),
        (".".join(["a" * 60] * 4) + ".abcdefghij", None),
        ("", None), (".", None), ("a..test", None), (".test", None), ("a.test..", None),
        (r"a\010b.test", None), ("a b.test", None), ("a\x1b[31m.test", None), ("ä.test", None), ("a\n.test", None),
    ],
)  # fmt: skip
def test_dns_only_host_names_are_asked_for_and_logged(text: str, name: str | None) -> None:
    assert host_name(text) == name
