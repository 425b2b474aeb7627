"""Certificates for tests: a test authority, and PEM files in the form that an operator has."""

import ssl
from datetime import datetime
from pathlib import Path

import trustme

from msilod.transport.tls import Certificates, load_certificates


class Authority:
    """Issues certificates into `folder`. `pem` is the certificate of the authority, for [tls] ca."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pem = folder / "ca.pem"
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(str(self.pem))

    def issue(
        self, *names: str, as_file: str = "server", is_rsa: bool = False,
        begins: datetime | None = None, ends: datetime | None = None,
    ) -> tuple[Path, Path]:  # fmt: skip
        """A certificate with chain, and the key: an elliptic curve, or RSA with 2048 bits."""
        certificate, key = self.folder / f"{as_file}.pem", self.folder / f"{as_file}.key"
        issued = self._ca.issue_cert(
            *names, key_type=trustme.KeyType.RSA if is_rsa else trustme.KeyType.ECDSA,
            not_before=begins, not_after=ends,
        )  # fmt: skip
        issued.private_key_pem.write_to_path(str(key))
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return certificate, key

    def certificates(self, *names: str) -> Certificates:
        """The certificates of a daemon that trusts this authority."""
        return load_certificates(*self.issue(*names), self.pem)

    def client(self) -> ssl.SSLContext:
        """The TLS context of a phone that trusts this authority."""
        return ssl.create_default_context(cafile=self.pem)
