"""Digest: the results compared with published vectors, and credentials as real clients write (RFC 7616, RFC 8760)."""

import contextlib
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.errors import MalformedMessage
from msilod.sip import digest
from msilod.sip.digest import Credentials, challenge, parse_credentials

USUAL = (
    b'Digest username="alice", realm="example.test", nonce="bm9uY2U=", uri="sip:example.test", '
    b'response="6629fae49393a05397450978507c4ef1", algorithm=MD5, cnonce="0a4f113b", qop=auth, nc=00000001'
)
# RFC 2617 §3.5 and RFC 7616 §3.9.1: algorithm, realm, password, nonce, cnonce, uri, response.
RFC2617 = (
    b"MD5", b"testrealm@host.com", b"Circle Of Life", b"dcd98b7102dd2f0e8b11d0f600bfb0c093", b"0a4f113b",
    b"6629fae49393a05397450978507c4ef1",
)  # fmt: skip
RFC7616 = (
    b"SHA-256", b"http-auth@example.org", b"Circle of Life", b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
)  # fmt: skip


def read(value: bytes) -> Credentials:
    found = parse_credentials(value)
    assert found is not None
    return found


@pytest.mark.parametrize("vector", [RFC2617, RFC7616], ids=["rfc2617", "rfc7616"])
def test_the_examples_of_the_rfcs_have_the_published_responses(vector: tuple[bytes, ...]) -> None:
    algorithm, realm, password, nonce, cnonce, expected = vector
    ha1 = digest.ha1(algorithm, b"Mufasa", realm, password)
    ha2 = digest.ha2(algorithm, b"GET", b"/dir/index.html")
    assert digest.response(algorithm, ha1, ha2, nonce, b"00000001", cnonce, b"auth") == expected


def test_every_shared_vector(shared_vectors: Path) -> None:
    vectors = tomllib.loads((shared_vectors / "digest.toml").read_text("utf-8"))["vector"]
    assert len(vectors) == 19
    for vector in vectors:
        assert computed(vector) == (vector["ha1"], vector["ha2"], vector["response"]), vector["name"]


def computed(vector: dict[str, Any]) -> tuple[str, str, str]:
    text = {key: value.encode() for key, value in vector.items() if isinstance(value, str)}
    algorithm, is_session, _ = text["algorithm"].partition(b"-sess")
    ha1 = digest.ha1(algorithm, text["username"], text["realm"], text["password"])
    if is_session:
        ha1 = digest.session_ha1(algorithm, ha1, text["nonce"], text["cnonce"])
    ha2 = digest.ha2(algorithm, text["method"], text["uri"], text["body_hash"])
    response = digest.response(algorithm, ha1, ha2, text["nonce"], text["nc"], text["cnonce"], text["qop"])
    return ha1.hex(), ha2.decode(), response.decode()


def test_sha_512_256_is_not_a_truncated_sha_512() -> None:
    """RFC 7616 §3.9.2 prints the wrong value."""
    userhash = digest.ha1(b"SHA-512-256", b"x", b"y", b"z")
    assert len(userhash) == digest.HA1_SIZES[b"SHA-512-256"] == 32
    assert userhash != hashlib.sha512(b"x:y:z").digest()[:32]


def test_a7_credentials_as_real_clients_spell_them() -> None:
    for value in (
        USUAL,
        USUAL.replace(b"qop=auth", b'qop="auth"').replace(b"nc=00000001", b'nc="00000001"'),
        USUAL.replace(b"algorithm=MD5", b'algorithm="md5"'),
        USUAL.replace(b", ", b","),
        USUAL.replace(b"=", b" = "),
        USUAL.replace(b"Digest", b"digest").replace(b"username", b"Username"),
        b"\t" + USUAL + b"  ",
        USUAL + b', opaque="a,b\\"c", auth-param=x',
    ):
        found = read(value)
        assert found.username == b"alice"
        assert found.realm == b"example.test"
        assert found.nonce.replace(b" ", b"") == b"bm9uY2U="
        assert (found.algorithm, found.qop, found.count) == (b"MD5", b"auth", 1)


def test_a7_a_user_name_may_have_any_characters() -> None:
    for spelt, name in (
        (b'"J\xc3\xa4s\xc3\xb8n, Doe"', b"J\xc3\xa4s\xc3\xb8n, Doe"),
        (rb'"a\"b\\c"', rb'a"b\c'),
        (b"alice", b"alice"),
    ):
        assert read(USUAL.replace(b'"alice"', spelt)).username == name


def test_a7_a_comma_in_quotes_ends_no_parameter() -> None:
    for spelt in (b'","', b'",x"', b'"x,"', b'"x, y=z,"'):
        assert read(USUAL.replace(b'"0a4f113b"', spelt)).cnonce == spelt[1:-1]


def test_a7_an_equals_sign_belongs_to_the_value() -> None:
    """A following parameter without a comma does not hide `qop`."""
    assert read(USUAL + b', auth-param=a="b"').qop == b"auth"
    assert read(USUAL.replace(b"qop=auth", b'qop=auth opaque="x"')).qop == b'auth opaque="x"'


def test_a7_a_challenge_quotes_the_values_that_the_rfc_quotes() -> None:
    assert challenge(b"example.test", b"abc=", b"SHA-256") == (
        b'Digest realm="example.test", nonce="abc=", algorithm=SHA-256, qop="auth"'
    )
    assert challenge(b"example.test", b"abc=", b"MD5", True).endswith(b'qop="auth", stale=true')


def test_a3_without_an_algorithm_md5_is_meant_and_an_unknown_one_is_none() -> None:
    assert read(USUAL.replace(b"algorithm=MD5, ", b"")).algorithm == b"MD5"
    assert read(USUAL.replace(b"algorithm=MD5", b"algorithm=SHA-1")).algorithm == b""
    assert read(USUAL.replace(b", qop=auth", b"")).qop == b""


@pytest.mark.parametrize("value", [b"Basic YWxpY2U6eA==", b"Bearer x.y.z", b"NoOneKnowsThisScheme a=b", b""])
def test_a11_another_scheme_has_no_digest_credentials(value: bytes) -> None:
    assert parse_credentials(value) is None


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'username="alice", ', b""), (b'username="alice"', b'username=""'), (b"nc=00000001", b"nc=1"),
        (b"nc=00000001", b"nc=0000000g"), (b"nc=00000001", b"nc=+0000001"), (b"qop=auth", b"nonce=x"),
        (b'realm="example.test"', b'realm="example.test'), (b'realm="example.test"', b'realm="a"b'),
        (b"qop=auth", b"qop=auth, " + b", ".join(b"a%d=b" % n for n in range(40))),
        (b"qop=auth", b'opaque="' + b"x" * 2048 + b'"'),
    ],
)  # fmt: skip
def test_unreadable_credentials_are_refused(good: bytes, bad: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read(USUAL.replace(good, bad))


def test_a_repeated_parameter_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        read(USUAL + b', username="bob"')
    with pytest.raises(MalformedMessage):
        read(USUAL + b', opaque="\\"", username="bob"')


def test_right_and_wrong_responses() -> None:
    ha1 = digest.ha1(b"MD5", b"alice", b"example.test", b"secret")
    ha2 = digest.ha2(b"MD5", b"REGISTER", b"sip:example.test")
    right = digest.response(b"MD5", ha1, ha2, b"bm9uY2U=", b"00000001", b"0a4f113b", b"auth")
    found = read(USUAL.replace(b"6629fae49393a05397450978507c4ef1", right))
    assert found.is_right(ha1, b"REGISTER")
    assert not found.is_right(ha1, b"MESSAGE")
    assert not found.is_right(bytes(16), b"REGISTER")
    assert not read(USUAL).is_right(ha1, b"REGISTER")
    upper = read(USUAL.replace(b"6629fae49393a05397450978507c4ef1", right.upper()))
    assert upper.is_right(ha1, b"REGISTER")


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(value: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        parse_credentials(b"Digest " + value)
