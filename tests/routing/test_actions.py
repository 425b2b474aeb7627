"""Actions are plain data: compared, shown and kept, never changed."""

from dataclasses import FrozenInstanceError, fields

import pytest

from msilod.routing.actions import Action, Break, Drop, Relay, Reply, Save, Store

EVERY: tuple[Action, ...] = (Reply(404, "Not Found"), Save(), Relay(), Store(), Drop(), Break())


def test_every_word_is_another_value() -> None:
    assert len(set(EVERY)) == len(EVERY)
    assert Store(1, "sip:p.test") == Store(mode=1, next_hop="sip:p.test") != Store(1)
    assert Relay(on_failure=True) != Relay()


@pytest.mark.parametrize("action", EVERY, ids=lambda action: type(action).__name__)
def test_a_shared_action_cannot_be_changed(action: Action) -> None:
    assert not hasattr(action, "__dict__")
    for field in fields(action):
        with pytest.raises(FrozenInstanceError):
            setattr(action, field.name, None)


def test_the_defaults_are_the_seeds() -> None:
    """save(), t_relay() and m_store("0") without further arguments."""
    assert (Save().dump, Save().next_hop, Relay().on_failure, Store().mode, Store().next_hop) == (
        True, "", False, 0, ""
    )  # fmt: skip
