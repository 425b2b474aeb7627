"""GRUUs: makes and reads URIs that lead to one device of an AOR from anywhere (RFC 5627, checklist R14).

    public      sip:user@domain;gr=<instance>      §3.1: shows the AOR, and is valid as long as the AOR
    temporary   sip:<token>@domain;gr              §3.2: hides the AOR, and ends with a new Call-ID

Rules: no GRUU is stored; only the secret is kept. The token consists of AOR, instance, CSeq and a hash of the Call-ID,
enciphered under a MAC of the same data. The MAC is checked when a token comes back (a synthetic IV, so no nonce can
repeat). So each REGISTER gets another token, and the tokens of a Call-ID are valid while a binding of the instance has
this Call-ID (§5.4).
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, shake_256
from hmac import compare_digest
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.sip.grammar import UNRESERVED, WSP, unescape
from msilod.sip.message import Request
from msilod.sip.sips import is_sips
from msilod.sip.uri import SipUri

OPTION: Final = b"gruu"
PARAMETER: Final = "gr"
# Characters of AOR and instance together. urn:uuid: and 36 characters are usual. Longer names get no GRUU.
MAX_NAMES: Final = 512
_MAC_BYTES: Final = 16
_CALL_BYTES: Final = 8
_CSEQ_BYTES: Final = 4
_HEAD: Final = _CALL_BYTES + _CSEQ_BYTES
# paramchar of RFC 3261 §25.1.
_PLAIN: Final = UNRESERVED + b"[]/:&+$"


def asks_for_gruu(request: Request) -> bool:
    """True when a REGISTER has `Supported: gruu`. Only then the 200 has GRUUs (§5.2)."""
    received = request.received
    if b"supported" not in received:
        return False
    if len(received) == len(request.headers.fields):
        return _has_option(received[b"supported"])
    return _has_option(b",".join(request.headers.get_all(b"supported")))


# Phones of one make send the same value: 4 us become 0.2. 512 keys of at most 16 kB.
@lru_cache(512)
def _has_option(supported: bytes) -> bool:
    return OPTION in [tag.strip(WSP).lower() for tag in supported.split(b",")]


class Gruu:
    """The meaning of a GRUU: AOR, instance (comparable), and the hash of the Call-ID for a temporary GRUU."""

    __slots__ = ("aor", "call", "instance")

    def __init__(self, aor: str, instance: bytes, call: bytes = b"") -> None:
        self.aor = aor
        self.instance = instance
        self.call = call

    def of(self, bindings: Sequence[Binding]) -> list[Binding]:
        """Return the last registered or refreshed contact of the device, from the bindings of the AOR.

        Two contacts of an instance must not get a request at the same time, and the last contact is to be used (RFC
        5627 §6.1). Older contacts are left from before a restart of the phone. Flows are the exception: if the last
        contact is a flow, all flows of the device are returned, to be tried in turn (RFC 5626 §7).
        """
        found = [binding for binding in bindings if _comparable(binding.instance) == self.instance]
        if len(found) > 1:
            last = max(found, key=_registered_at)
            found = [binding for binding in found if binding.reg_id] if last.reg_id else [last]
        if self.call and not any(_call(binding) == self.call for binding in found):
            return []
        return found

    def refuse_unknown(self, bindings: Sequence[Binding], is_kept: bool) -> None:
        """Raise RequestRefused when the GRUU leads to no contact. `bindings` are all bindings of the AOR.

        404 for a temporary GRUU that ended with a new Call-ID (§5.4), and for an instance that is not registered while
        other instances are. 480 when the device may come back. `is_kept` means that the silo keeps the request: the
        silo delivers to the AOR, so only an ended temporary GRUU is refused then.
        """
        if self.of(bindings):
            return
        is_ended = self.call and any(_comparable(binding.instance) == self.instance for binding in bindings)
        if is_ended or (bindings and not self.call and not is_kept):
            raise RequestRefused(404, "Not Found")
        if not is_kept:
            raise RequestRefused(480, "Temporarily Unavailable")


class Gruus:
    """Makes and reads GRUUs. `secret` is 16 to 64 bytes and outlives restarts, because GRUUs do."""

    def __init__(self, secret: bytes) -> None:
        self._mac = blake2b(digest_size=_MAC_BYTES, key=secret, person=b"gruu-mac")
        self._key = blake2b(key=secret, person=b"gruu-cipher").digest()

    def parameters(self, binding: Binding) -> str:
        """Return `;pub-gruu="…";temp-gruu="…"` for the Contact of a 200 (§5.3); "" for a binding without an instance.

        Measured: 7 us. Only clients with `Supported: gruu` cause this cost.
        """
        instance = bare_instance(binding.instance)
        if not instance or len(instance) + len(binding.aor) > MAX_NAMES:
            return ""
        scheme = "sips" if is_sips(binding.contact) else "sip"
        domain = binding.aor.rpartition("@")[2]
        token = self._token(binding)
        return (
            f';pub-gruu="{scheme}:{binding.aor};{PARAMETER}={_escaped(instance)}"'
            f';temp-gruu="{scheme}:{token}@{domain};{PARAMETER}"'
        )

    def read(self, uri: SipUri, aor: str) -> Gruu:
        """Read `uri`, a URI of this server with the parameter `gr`; `aor` is the meaning of the URI without `gr`.

        Raises RequestRefused 404 for a temporary GRUU not made by this server.
        """
        instance = uri.params[PARAMETER]
        if instance is not None:
            return Gruu(aor, unescape(instance).lower())
        plain = self._opened(uri.user or "")
        of, found, instance_text = plain[_HEAD:].decode("utf-8", "replace").partition("\n")
        if not found:
            raise RequestRefused(404, "Not Found")
        return Gruu(of, _comparable(instance_text), plain[:_CALL_BYTES])

    def _token(self, binding: Binding) -> str:
        names = f"{binding.aor}\n{bare_instance(binding.instance)}".encode("utf-8", "replace")
        plain = _call(binding) + binding.cseq.to_bytes(_CSEQ_BYTES, "big") + names
        mac = self._mac_of(plain)
        return urlsafe_b64encode(mac + self._ciphered(plain, mac)).rstrip(b"=").decode()

    def _opened(self, token: str) -> bytes:
        """Return the plain text of a token made by this server, else b""."""
        try:
            data = b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return b""
        mac = data[:_MAC_BYTES]
        plain = self._ciphered(data[_MAC_BYTES:], mac)
        return plain if compare_digest(self._mac_of(plain), mac) else b""

    def _mac_of(self, plain: bytes) -> bytes:
        made = self._mac.copy()
        made.update(plain)
        return made.digest()

    def _ciphered(self, text: bytes, mac: bytes) -> bytes:
        """Encipher, or decipher: the operation is an XOR with a key stream."""
        stream = shake_256(self._key + mac).digest(len(text))
        return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")


def bare_instance(value: str) -> str:
    """Return the URN inside `"<urn:uuid:…>"`, the value of +sip.instance (RFC 5626 §4.1)."""
    return value.strip('"').removeprefix("<").removesuffix(">")


def _comparable(instance: str) -> bytes:
    """Return the instance in lower case: URI parameters and UUIDs ignore case (RFC 3261 §19.1.4)."""
    return bare_instance(instance).encode("utf-8", "replace").lower()


def _escaped(instance: str) -> str:
    data = instance.encode("utf-8", "replace")
    if not data.translate(None, _PLAIN):
        return instance
    return "".join([chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data])


def _registered_at(binding: Binding) -> float:
    return binding.registered_at


def _call(binding: Binding) -> bytes:
    return blake2b(binding.call_id.encode("utf-8", "replace"), digest_size=_CALL_BYTES).digest()
