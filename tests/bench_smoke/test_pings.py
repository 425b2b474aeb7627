"""The benchmark of pings pings every phone once a period, and counts every answer."""

from pathlib import Path

import pytest
import trio

from tests.bench import pings


async def test_every_phone_is_pinged_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pings, "PHONES", 500)
    async with trio.open_nursery() as nursery:
        pinged = pings.Pinged(tmp_path, nursery)
        sending, hearing = pinged.turn()
        pinged.close()
        nursery.cancel_scope.cancel()
    assert sending > 0
    assert hearing > 0
