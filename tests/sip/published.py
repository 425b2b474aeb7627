"""The bytes of the published vectors, as files of the shared folder."""

from pathlib import Path


def vector(folder: Path, name: str) -> bytes:
    """The bytes of an RFC 4475 message."""
    return (folder / "rfc4475" / f"{name}.dat").read_bytes()


def wire(folder: Path, name: str) -> bytes:
    """The bytes of an RFC 5118 message, with line ends and length repaired."""
    return (folder / "rfc5118" / "wire" / f"{name}.dat").read_bytes()


def published(folder: Path, name: str) -> bytes:
    """The bytes of an RFC 5118 message as published."""
    return (folder / "rfc5118" / f"{name}.dat").read_bytes()
