"""The content types that are kept, and the life of each."""

import pytest

from msilod.errors import RequestRefused
from msilod.silo.intake.content_types import is_usual, lifetime, media_types
from msilod.silo.policy import SiloPolicy

POLICY = SiloPolicy(expire_time=1000, imdn_expire_time=100)
CPIM = b"To: <sip:bob@example.test>\r\n\r\nContent-Type: %b\r\n\r\nbody"


def refused(content_type: bytes, policy: SiloPolicy = POLICY, body: bytes = b"") -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        lifetime(content_type, body, policy)
    return caught.value


@pytest.mark.parametrize(
    ("content_type", "body", "seconds"),
    [
        (b"", b"x", 1000),
        (b"multipart/mixed;boundary=x", b"", 1000),
        (b"message/external-body", b"", 1000),
        (b"message/imdn+xml", b"", 100),
        (b"Message/IMDN+XML ; charset=utf-8", b"", 100),
        (b"message/imdn+xml2", b"", 1000),
        (b"message/cpim", CPIM % b"text/plain", 1000),
        (b"message/cpim", CPIM % b"message/imdn+xml", 100),
        (b"message/cpim", b"no wrapper", 1000),
    ],
)
def test_receipts_have_a_shorter_life(content_type: bytes, body: bytes, seconds: int) -> None:
    assert lifetime(content_type, body, POLICY) == seconds


def test_a_receipt_lives_no_longer_than_a_message() -> None:
    assert lifetime(b"message/imdn+xml", b"", SiloPolicy(expire_time=10)) == 10


def test_g10_is_composing_is_never_kept_not_even_wrapped() -> None:
    composing = b"application/im-iscomposing+xml"
    assert refused(composing + b";x=1").status == 480
    assert refused(b"message/cpim", body=CPIM % composing).status == 480


def test_a_type_of_255_characters_is_kept_and_one_more_is_400() -> None:
    longest = b"text/plain;x=" + b"y" * 242
    assert len(longest) == 255
    assert is_usual(longest)
    assert lifetime(longest, b"", POLICY) == 1000
    assert not is_usual(longest + b"y")
    assert refused(longest + b"y").status == 400


def test_the_operator_may_list_the_kept_types() -> None:
    policy = SiloPolicy(accept_types=("text/*", "Message/CPIM"))
    assert lifetime(b"TEXT/html", b"", policy)
    assert lifetime(b"", b"", policy), "no type is plain text"
    assert lifetime(b"message/cpim", CPIM % b"image/png", policy)
    error = refused(b"image/png", policy)
    assert (error.status, error.headers) == (415, ((b"Accept", b"text/*, Message/CPIM"),))


def test_the_operator_may_list_refused_types_also_inside_a_wrapper() -> None:
    policy = SiloPolicy(refuse_types=("image/*", "text/html"))
    assert lifetime(b"text/plain", b"", policy)
    assert refused(b"message/cpim", policy, CPIM % b"image/png").status == 415
    error = refused(b"text/html", policy)
    assert (error.status, error.headers) == (415, ((b"Accept", b"image/*;q=0, text/html;q=0, */*"),))


def test_media_types_are_lower_case_without_parameters() -> None:
    assert media_types(b"Text/Plain ;charset=x", b"") == (b"text/plain",)
    assert media_types(b"message/CPIM;x=y", CPIM % b"A/B;c=d") == (b"message/cpim", b"a/b")
