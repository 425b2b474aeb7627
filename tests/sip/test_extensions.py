"""Option tags in Require and Proxy-Require."""

import pytest

from msilod.errors import RequestRefused
from msilod.sip.extensions import refuse_extensions
from tests.silo.wire import message


def test_an_unsupported_tag_is_found_behind_many_supported_tags() -> None:
    request = message(b"Require: " + b", ".join([b"path"] * 40 + [b"other"]))
    with pytest.raises(RequestRefused) as caught:
        refuse_extensions(request, b"require", (b"path",))
    assert caught.value.headers == ((b"Unsupported", b"other"),)


@pytest.mark.parametrize("value", [b"", b" ", b",", b"path", b"PATH, path"])
def test_supported_tags_and_no_tags_are_accepted(value: bytes) -> None:
    refuse_extensions(message(b"Require:" + value), b"require", (b"path",))
