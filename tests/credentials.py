"""Digest credentials as a client computes them (RFC 3261 §22.4, RFC 7616 §3.4.1).

Rule: made with hashlib alone, so that a fault of the daemon's digest is not on both sides of a test.
"""

import hashlib
import re

from msilod.sip.message import Response

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
# Status: the field with the challenge, the field with the credentials.
FIELDS = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}


def challenges(response: Response) -> list[dict[str, str]]:
    """The challenges of a 401 or 407, in order."""
    name = FIELDS[response.status][0].encode()
    found = []
    for value in response.headers.get_all(name):
        pairs = re.findall(r'(\w+)=("[^"]*"|[^\s,]+)', value.decode().removeprefix("Digest "))
        found.append({key: text.strip('"') for key, text in pairs})
    return found


def with_md5(response: Response) -> dict[str, str]:
    """The challenge of a 401 or 407 that MD5 answers."""
    return next(found for found in challenges(response) if found.get("algorithm", "MD5") == "MD5")


def hashed(algorithm: str, text: str) -> str:
    """The digest of `text` in hexadecimal digits."""
    return HASHES[algorithm](text.encode()).hexdigest()


def secret_of(challenge: dict[str, str], name: str, password: str, algorithm: str = "MD5") -> str:
    """HA1."""
    return hashed(algorithm, f"{name}:{challenge['realm']}:{password}")


def credentials(
    challenge: dict[str, str],
    method: str,
    uri: str,
    name: str,
    secret: str,
    algorithm: str = "MD5",
    count: int = 1,
) -> str:
    """The value of the credentials with qop=auth; `secret` is HA1."""
    nonce, realm, nc = challenge["nonce"], challenge["realm"], f"{count:08x}"
    response = hashed(algorithm, f"{secret}:{nonce}:{nc}:c0ffee:auth:{hashed(algorithm, f'{method}:{uri}')}")
    return (
        f'Digest username="{name}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}", '
        f'algorithm={algorithm}, cnonce="c0ffee", qop=auth, nc={nc}'
    )


def answer_of(response: Response, method: str, uri: str, name: str, password: str) -> str:
    """The line, without CRLF, that answers the MD5 challenge of a 401 or 407."""
    challenge = with_md5(response)
    value = credentials(challenge, method, uri, name, secret_of(challenge, name, password))
    return f"{FIELDS[response.status][1]}: {value}"
