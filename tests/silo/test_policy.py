"""SiloPolicy refuses values that no decision can use."""

import pytest

from msilod.silo.policy import SiloPolicy


def test_the_last_step_of_the_back_off_repeats() -> None:
    policy = SiloPolicy(retry=(1, 2, 3))
    assert [policy.backoff(stops) for stops in range(5)] == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("retry", [(), (0,), (60, -1)])
def test_a_back_off_without_a_pause_is_refused(retry: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="retry"):
        SiloPolicy(retry=retry)


def test_the_registrar_is_known_by_its_aor() -> None:
    assert SiloPolicy(registrar="sip:Registrar@EXAMPLE.test;x=1").registrar_aor == "Registrar@example.test"
    assert SiloPolicy().registrar_aor == ""


def test_a_registrar_without_a_valid_address_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        SiloPolicy(registrar="nobody")
