"""virtual: a test that is a story on the virtual network, without the words around it.

    @virtual(silo={"max_messages": 10})
    async def test_something(world: World) -> None: ...

Rules: the keywords are sections of msilod.toml. When the story ends, the ledger has seen no law broken and the log
holds no error but the `errors` that are named. What else the test asks for (parameters, fixtures) it gets.
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
