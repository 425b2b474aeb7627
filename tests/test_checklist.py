"""Every promised row of the RFC checklist has a test with its id in the name (`test_p8_...`).

The ids are those of the list of SIP rules for a MESSAGE proxy, registrar and silo; each id is beside its section of the
RFC. A row without a test fails here, by name.

"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
# The tests of these rows are numbered a01 to a15, after another list.
ACCEPTANCE: Final = TESTS / "scenarios" / "defects" / "test_acceptance.py"

ROWS: Final = {
    # Message format (RFC 3261 §7, §20, §25)
    "F1": "header names, compact forms (§7.3.1)", "F2": "folding (§7.3.1)", "F3": "comma lists (§7.3.1)",
    "F4": "a proxy keeps what it does not know (§16.6)", "F5": "line ends (§7.5)",
    "F6": "required header fields (§8.1.1)", "F7": "CSeq (§20.16)", "F8": "version (§7.1)",
    "F9": "a bad Expires in REGISTER (§20.19)", "F10": "Date (§20.17)", "F11": "<> around a URI (§20.10)",
    "F12": "the user part, IPv6 (§19.1.1)", "F13": "no CR, LF, NUL in what we make", "F14": "responses (§25.1)",
    # Transport (RFC 3261 §18, RFC 3581)
    "T1": "UDP and TCP (§18)", "T2": "more than 1300 bytes (§18.1.1)", "T3": "65535 bytes on UDP (§18.1.1)",
    "T4": "received (§18.2.1)", "T5": "rport (RFC 3581 §4)", "T6": "where a response goes (§18.2.2)",
    "T7": "Content-Length on UDP (§18.3)", "T8": "Content-Length on streams (§18.3)", "T9": "ICMP (§18.4)",
    "T10": "connections outlive transactions (§18)",
    # Transactions (RFC 3261 §17, RFC 6026, RFC 4320)
    "X1": "matching requests (§17.2.3)", "X2": "retransmissions (§17.2.2)", "X3": "matching responses (§17.1.3)",
    "X4": "a late 100 (RFC 4320 §4.1)", "X5": "no 408 (RFC 4320 §4.2)", "X6": "the early decision (RFC 4321)",
    "X7": "ACK to a failure (§17.1.1.3)", "X8": "Accepted (RFC 6026)", "X9": "CANCEL (§9.2, §16.10)",
    # UAS (RFC 3261 §8.2, §11)
    "U1": "the order of checks (§8.2)", "U2": "merged requests (§8.2.2.2)", "U3": "responses (§8.2.6.2)",
    "U4": "a 2xx to MESSAGE (RFC 3428 §7)", "U5": "OPTIONS (§11)",
    # Registrar (RFC 3261 §10.3)
    "R1": "in order, all or nothing", "R2": "the AOR", "R3": "query and *", "R4": "expires, 423",
    "R5": "Call-ID and CSeq", "R6": "the 200", "R7": "q", "R8": "URI comparison (§19.1.4)", "R9": "caps",
    "R10": "the source of a binding", "R11": "Path (RFC 3327)", "R12": "outbound (RFC 5626 §6)",
    "R13": "flows that end (RFC 5626 §7)", "R14": "GRUU (RFC 5627 §5)", "R18": "what begins a dump",
    # Proxy (RFC 3261 §16, RFC 5393, RFC 3263)
    "P1": "validation (§16.3)", "P2": "Route (§16.4)", "P3": "targets (§16.5)", "P4": "forwarding (§16.6)",
    "P5": "no Record-Route on MESSAGE (RFC 3428 §9)", "P6": "loops (RFC 5393 §4)", "P8": "responses (§16.7)",
    "P9": "the order of challenges (RFC 8760 §2.5)", "P10": "Timer C (§16.8)", "P11": "transport errors (§16.9)",
    "P12": "ACK and CANCEL (§16.11)", "P13": "one flow of a device (RFC 5626 §7)",
    "P14": "flow tokens (RFC 5626 §5)", "P15": "where a URI is (RFC 3263)", "P16": "Retry-After (§21.5.4)",
    "P17": "no open relay", "P19": "SUBSCRIBE, NOTIFY, PUBLISH (RFC 6665)",
    # MESSAGE (RFC 3428)
    "G1": "no Contact (§4)", "G2": "202 and 200 (§7)", "G3": "large messages (§8)", "G4": "one at a time (§8)",
    "G5": "any body (§7)", "G6": "Expires (§7)", "G7": "authentication (§11.1)", "G8": "the sender's Date (§11.4)",
    "G9": "external bodies (RFC 4483)", "G10": "is-composing (RFC 3994)", "G11": "receipts (RFC 5438 §12.2)",
    "G12": "CPIM is opaque (RFC 3862)", "G13": "no list service (RFC 5365)",
    # TLS, WebSocket, keep-alive (RFC 7118, RFC 5922, RFC 5626)
    "T12": "WebSocket (RFC 7118)", "T13": ".invalid (RFC 7118 §5.3)", "T14": "Origin, ping (RFC 7118 §7)",
    "T15": "TLS (§26.3.1)", "T16": "whom we dialled (RFC 5922 §7)", "T17": "sip and sips (RFC 5630 §5.2)",
    "T18": "keep-alives (RFC 5626 §5.4)",
    # Authentication (RFC 3261 §22, RFC 7616, RFC 8760)
    "A1": "401 and 407 (§22.2)", "A2": "one header per algorithm (RFC 8760 §2.3)", "A3": "qop (RFC 8760 §2.6)",
    "A4": "nonces (RFC 7616 §3.3)", "A5": "nonce counts (RFC 7616 §3.4)", "A6": "the uri (RFC 8760 §2.6)",
    "A7": "quotes (§22.4)", "A9": "From is the user's", "A10": "equal cost", "A11": "never Basic (RFC 8760 §2.6)",
    # Identity (RFC 3325, RFC 8224)
    "I1": "P-Asserted-Identity (RFC 3325 §5)", "I2": "Privacy (RFC 3325 §7)", "I3": "no privacy service (RFC 3323 §5)",
    "I4": "Identity (RFC 8224)",
}  # fmt: skip


@cache
def ids_with_a_test() -> set[str]:
    """The ids in the names of all test functions. Read once, by the first test, and not at each collection."""
    names = [
        node.name
        for path in TESTS.rglob("test_*.py")
        if path != ACCEPTANCE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    ids = re.compile(r"test((?:_[ftxurpgai][1-9]\d*)+)_")
    return {row.upper() for name in names if (found := ids.match(name)) for row in found[1].split("_") if row}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_a_test(row: str) -> None:
    assert row in ids_with_a_test(), f"{row}, {ROWS[row]}: no test bears its id"


def test_no_test_has_an_unknown_id() -> None:
    optional = {
        "P7",
        "P18",
        "R15",
        "R16",
        "R17",
        "T11",
        "T19",
        "U6",
        "A8",
        "G8",
        "G9",
        "G11",
        "G13",
        "I3",
        "I5",
    }
    assert not ids_with_a_test() - set(ROWS) - optional
