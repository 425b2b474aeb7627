"""virtual: a decorator for tests on the virtual network.

    @virtual(silo={"max_messages": 10})
    async def test_something(world: World) -> None: ...

The keywords are sections of msilod.toml. At the end of the story no law may be broken, and the log must have exactly
the errors in `errors`. Parameters and fixtures of the test are passed on.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tests.network.world import configured, play

Test = Callable[..., None]


def virtual(
    errors: Sequence[str] = (), **sections: object
) -> Callable[[Callable[..., Awaitable[None]]], Test]:
    """A decorator for `async def test(world, ...)`."""

    def decorate(story: Callable[..., Awaitable[None]]) -> Test:
        @functools.wraps(story)
        def test(tmp_path: Path, **asked: object) -> None:
            if "tmp_path" in wanted:
                asked["tmp_path"] = tmp_path
            told = functools.partial(story, **asked)
            world = play(tmp_path, told, config=configured(**sections), errors=errors)
            assert world.ledger.faults == [], world.ladder.draw()

        wanted = dict(inspect.signature(story).parameters)
        del wanted["world"]
        path = inspect.Parameter("tmp_path", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        others = [parameter for name, parameter in wanted.items() if name != "tmp_path"]
        vars(test)["__signature__"] = inspect.Signature([path, *others])
        return test

    return decorate
