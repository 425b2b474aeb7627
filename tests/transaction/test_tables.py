"""The tables against the RFC's figures: RFC 3261 figures 5 to 8, RFC 6026 §7, RFC 4320 §4."""

import pytest

from msilod.transaction.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Table,
)

# Read off the figures by hand: state, input, next state.
FIGURE_5_AND_6026 = """
calling retransmit calling; calling give_up terminated; calling transport_error terminated
calling provisional proceeding; calling success accepted; calling failure completed
proceeding provisional proceeding; proceeding success accepted; proceeding failure completed
proceeding transport_error terminated
completed failure completed; completed forget terminated; completed transport_error terminated
accepted success accepted; accepted forget terminated
"""
FIGURE_6 = """
trying retransmit trying; trying give_up terminated; trying transport_error terminated
trying provisional proceeding; trying success completed; trying failure completed
proceeding retransmit proceeding; proceeding give_up terminated; proceeding transport_error terminated
proceeding provisional proceeding; proceeding success completed; proceeding failure completed
completed forget terminated
"""
FIGURE_7_AND_6026 = """
proceeding request proceeding; proceeding provisional proceeding; proceeding success accepted
proceeding failure completed; proceeding transport_error terminated
completed request completed; completed retransmit completed; completed ack confirmed
completed give_up terminated; completed transport_error terminated
confirmed forget terminated
accepted ack accepted; accepted success accepted; accepted forget terminated
"""
FIGURE_8 = """
trying provisional proceeding; trying success completed; trying failure completed
proceeding request proceeding; proceeding provisional proceeding; proceeding success completed
proceeding failure completed; proceeding transport_error terminated
completed request completed; completed transport_error terminated; completed forget terminated
"""


def drawn(figure: str) -> set[tuple[str, str, str]]:
    steps = [step.split() for line in figure.split("\n") for step in line.split(";") if step.strip()]
    return {(state, cause, after) for state, cause, after in steps}


@pytest.mark.parametrize(
    ("table", "figure"),
    [
        (INVITE_CLIENT, FIGURE_5_AND_6026),
        (NON_INVITE_CLIENT, FIGURE_6),
        (INVITE_SERVER, FIGURE_7_AND_6026),
        (NON_INVITE_SERVER, FIGURE_8),
    ],
    ids=["ICT", "NICT", "IST", "NIST"],
)
def test_the_table_is_the_figure(table: Table, figure: str) -> None:
    coded = {(s.name.lower(), i.name.lower(), after.name.lower()) for (s, i), (after, _) in table.items()}
    assert coded == drawn(figure)
