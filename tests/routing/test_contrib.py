"""The example policies load as an operator's would, and their examples are true."""

from pathlib import Path

import pytest

from msilod.routing import Action, Break, Relay, Save, Store, default, example
from msilod.routing.policy_file import PolicyFile

CONTRIB = Path(__file__).parents[2] / "contrib" / "routing"
FILES = sorted(CONTRIB.glob("*.py"))


def test_there_is_one_for_each_feature_of_the_seed() -> None:
    assert [path.stem for path in FILES] == [
        "alias_table", "outbound_proxy", "own_conditions", "seed", "store_on_failure",
    ]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_loads_with_its_examples(path: Path) -> None:
    assert path.read_text().count("\n>>> ") > 3
    PolicyFile(path)


@pytest.mark.parametrize("method", ["MESSAGE", "REGISTER", "INVITE", "BYE"])
@pytest.mark.parametrize("uri", ["sip:bob@example.test", "sip:carol@far.test"])
@pytest.mark.parametrize("here", [(), ("bob@example.test",)])
@pytest.mark.parametrize("is_known", [False, True])
def test_the_seeds_route_block_says_what_the_built_in_policy_says(
    method: str, uri: str, here: tuple[str, ...], is_known: bool
) -> None:
    seed = PolicyFile(CONTRIB / "seed.py")
    request = example(method, uri, registered=here, is_known=is_known)
    assert seed.route(request) == default.route(request)
    assert seed.failure_route(request, 405) == default.failure_route(request, 405)


def test_the_words_are_the_seeds() -> None:
    seed = PolicyFile(CONTRIB / "seed.py")
    bob, here = "sip:bob@example.test", ["bob@example.test"]
    said: list[Action] = [
        seed.route(example("REGISTER", "sip:example.test")),
        seed.route(example("MESSAGE", bob)),
        seed.route(example("MESSAGE", bob, registered=here)),
        seed.failure_route(example("MESSAGE", bob, registered=here), 405),
        seed.failure_route(example("INVITE", bob, registered=here), 486),
    ]
    assert said == [Save(), Store(0), Relay(on_failure=True), Store(1), Break()]
