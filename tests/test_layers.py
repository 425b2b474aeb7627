"""The import direction of ARCHITECTURE.md, as a table and a walk over every module's AST."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEAVES = {
    "msilod", "msilod.errors", "msilod.printable", "msilod.streams", "msilod.clock", "msilod.counters", "msilod.log",
    "msilod.ownership", "msilod.stream_clients", "msilod.tasks",
}  # fmt: skip
NOUNS = {
    f"msilod.{room}"
    for room in ("sip", "transaction", "auth", "registrar", "proxy", "routing", "silo", "dns")
}
_REACHING = {
    "msilod.sip", "msilod.dns", "msilod.transaction", "msilod.registrar.binding", "msilod.registrar.reach",
    "msilod.proxy.target_set", "msilod.routing.myself", "msilod.auth.trust", "msilod.transport", "msilod.config",
}  # fmt: skip
_RELAYING = {
    "msilod.reaching", "msilod.sip", "msilod.transaction", "msilod.proxy", "msilod.registrar", "msilod.auth",
    "msilod.routing.myself", "msilod.dns.location", "msilod.silo.runs.online_outcome",
    "msilod.silo.runs.decision_table", "msilod.transport.transports",
}  # fmt: skip
_DELIVERING = {
    "msilod.reaching", "msilod.sip", "msilod.transaction", "msilod.proxy", "msilod.registrar", "msilod.silo",
    "msilod.store.jobs", "msilod.store.writer.contract",
}  # fmt: skip
_KEEPING = {
    "msilod.delivering",
    "msilod.auth.members",
    "msilod.routing.myself",
    "msilod.routing.request",
} | _DELIVERING
_SERVING = NOUNS | {
    "msilod.relaying", "msilod.keeping", "msilod.delivering", "msilod.reaching", "msilod.store.writer.contract",
    "msilod.transport",
}  # fmt: skip

# A room may import itself, the leaves, and the listed modules (prefixes of module names).
MAY_IMPORT = {
    "msilod.sip": set[str](),
    "msilod.transaction": {"msilod.sip"},
    "msilod.registrar": {"msilod.sip"},
    "msilod.proxy": {"msilod.sip", "msilod.registrar.binding", "msilod.registrar.phones"},
    "msilod.silo": {"msilod.sip", "msilod.registrar.binding"},
    "msilod.routing": {"msilod.sip", "msilod.registrar.binding", "msilod.registrar.gruu"},
    "msilod.auth": {"msilod.sip"},
    "msilod.dns": {"msilod.sip"},
    "msilod.store": {
        "msilod.registrar.binding", "msilod.silo.stored_message", "msilod.silo.history", "msilod.sip.flow",
        "msilod.config",
    },
    "msilod.transport": {"msilod.sip.framing", "msilod.sip.flow", "msilod.config"},
    "msilod.reaching": _REACHING,
    "msilod.relaying": _RELAYING,
    "msilod.delivering": _DELIVERING,
    "msilod.keeping": _KEEPING,
    "msilod.serving": _SERVING,
    "msilod.control": _SERVING | {"msilod.serving", "msilod.store.silo", "msilod.store.jobs"},
    "msilod.metrics": _SERVING | {"msilod.serving", "msilod.store.engine.hold"},
    # The command line's side of the socket stands alone.
    "msilod.control.protocol": set[str](),
    "msilod.config": {
        "msilod.sip.headers", "msilod.sip.limits", "msilod.sip.uri", "msilod.transport.listen",
        "msilod.routing.aliases",
    },
    "msilod.settings": {"msilod.config", "msilod.transport.listen"},
    "msilod.demo": {"msilod.sip"},
    "msilod.daemon": {"msilod"},
    "msilod.__main__": {"msilod.settings", "msilod.daemon", "msilod.demo", "msilod.routing.policy_file"},
    "msilo_cli": {
        "msilod.config", "msilod.settings", "msilod.control.protocol", "msilod.sip", "msilod.silo",
        "msilod.registrar.binding", "msilod.registrar.gruu", "msilod.routing.aliases", "msilod.routing.domains",
        "msilod.store",
    },
}  # fmt: skip
PURE = ("sip", "transaction", "registrar", "proxy", "silo", "routing", "auth")
# Reads a file of the operator's, at the start and at a reload.
NOT_PURE = {"msilod.routing.policy_file"}
# The engines and the schema import a database driver; the other modules only until their SQL has moved there.
MAY_USE_A_DRIVER = {
    "msilod.store.engine", "msilod.store.schema", "msilod.store.tables", "msilod.store.columns",
}  # fmt: skip
DRIVERS = {"sqlite3", "peewee", "playhouse"}
MAY_HOLD_SQL = {"msilod.store.engine", "msilod.store.schema"}
SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|BEGIN|COMMIT|ROLLBACK|PRAGMA|VACUUM|CREATE|DROP|ALTER)\b"
)
# The modules that name one engine. All others speak to engine/base.py, engine/hold.py and engine/choice.py.
MAY_NAME_AN_ENGINE = {
    "msilod.store.engine.choice", "msilod.store.engine.sqlite", "msilod.store.schema", "msilod.store.tables",
}  # fmt: skip
# Floors of store/, lowest first. A module imports modules of its own floor and of lower floors.
STORE_FLOORS = (
    ("msilod.store.jobs", "msilod.store.columns", "msilod.store.limits", "msilod.store.times"),
    ("msilod.store.engine", "msilod.store.schema"),
    ("msilod.store.commit",),
    ("msilod.store.writer", "msilod.store.tables"),
    ("msilod.store.silo",),
)
MAY_USE_TRIO = (
    "transport",
    "dns",
    "reaching",
    "control",
    "metrics",
    "daemon",
    "clock",
    "stream_clients",
    "tasks",
)
IMPURE = {
    "trio",
    "socket",
    "ssl",
    "time",
    "random",
    "secrets",
    "peewee",
    "logging",
    "os",
    "structlog",
    "sqlite3",
}


def sources() -> list[Path]:
    return sorted([*ROOT.glob("msilod/**/*.py"), *ROOT.glob("msilo_cli/**/*.py")])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str | None:
    fitting = [room for room in MAY_IMPORT if name == room or name.startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def is_package(name: str) -> bool:
    return ROOT.joinpath(*name.split(".")).is_dir()


def is_module(name: str) -> bool:
    return is_package(name) or ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file()


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    name = module_name(path)
    room = room_of(name)
    if room is None:
        assert name in LEAVES, f"{name} belongs to no room"
        return
    ours = [
        found
        for found in imports(path)
        if found.split(".")[0] in ("msilod", "msilo_cli") and is_module(found)
    ]
    allowed = MAY_IMPORT[room] | LEAVES - {"msilod"} | {room}
    # `from msilod.silo import policy` also names the package, and the package has only a docstring.
    wrong = [found for found in ours if not is_package(found) and not within(found, allowed)]
    assert not wrong, f"{name} must not import {wrong}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_third_party_modules_are_imported_only_where_listed(path: Path) -> None:
    name = module_name(path)
    roots = {found.split(".")[0] for found in imports(path)}
    room = name.split(".")[1] if name.startswith("msilod.") else ""
    if room in PURE and name not in NOT_PURE:
        assert not roots & IMPURE, f"{name} is pure"
    if name.startswith("msilod.") and room not in MAY_USE_TRIO:
        assert "trio" not in roots, f"{name}: trio lives in {MAY_USE_TRIO}"
    if not within(name, MAY_USE_A_DRIVER):
        assert not roots & DRIVERS, f"{name}: database drivers live in {sorted(MAY_USE_A_DRIVER)}"
    if not name.startswith("msilo_cli") and name != "msilod.__main__":
        assert not roots & {"typer", "rich"}, f"{name}: typer and rich live in msilo_cli/"
    assert "click" not in roots


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_a_docstring_and_a_bounded_size(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path} begins with what it is"
    assert len(text.splitlines()) <= 400, f"{path} wants to be two"
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1})"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 40
    ]
    assert not long, f"{path}: functions past 40 lines: {long}"
    assert path.stem not in ("utils", "util", "helpers", "common", "manager", "misc")


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("msilod/store/**/*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_module_of_the_store_imports_no_higher_floor(path: Path) -> None:
    name = module_name(path)
    if name == "msilod.store" or is_package(name):
        return
    (floor,) = (number for number, rooms in enumerate(STORE_FLOORS) if within(name, set(rooms)))
    higher = {room for rooms in STORE_FLOORS[floor + 1 :] for room in rooms}
    wrong = [
        found
        for found in imports(path)
        if is_module(found) and not is_package(found) and within(found, higher)
    ]
    assert not wrong, f"{name} must not import {wrong}"


def texts(path: Path) -> Iterator[str]:
    """The strings of a module; of an f-string the parts between braces."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_is_only_in_the_listed_modules(path: Path) -> None:
    # S608 is the lint rule for SQL made of strings. pyproject.toml switches the rule off in engine/ alone.
    assert "S608" not in path.read_text()
    if not within(module_name(path), MAY_HOLD_SQL):
        assert not list(filter(SQL.match, texts(path))), f"SQL belongs to {sorted(MAY_HOLD_SQL)}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_few_modules_name_an_engine(path: Path) -> None:
    name = module_name(path)
    if not within(name, MAY_NAME_AN_ENGINE):
        wrong = [found for found in imports(path) if within(found, {"msilod.store.engine.sqlite"})]
        assert not wrong, f"{name} must not import {wrong}"


def test_modules_that_may_still_import_a_driver_do() -> None:
    """A module whose SQL has moved to an engine leaves the list."""
    drive = {
        module_name(path) for path in sources() if {name.split(".")[0] for name in imports(path)} & DRIVERS
    }
    assert {name for name in MAY_USE_A_DRIVER if not is_package(name)} <= drive


def test_no_module_imports_the_wiring() -> None:
    for path in sources():
        name = module_name(path)
        if not name.startswith("msilod.daemon") and name != "msilod.__main__":
            assert not [found for found in imports(path) if within(found, {"msilod.daemon"})], name


def test_no_module_imports_itself_through_others() -> None:
    """Kahn's algorithm: modules without imports among the rest are removed. Modules that remain form a circle."""
    wants = {
        module_name(path): {found for found in imports(path) if is_module(found) and not is_package(found)}
        for path in sources()
    }
    while free := [name for name, found in wants.items() if not found & wants.keys()]:
        for name in free:
            del wants[name]
    assert not wants, f"these import each other: {sorted(wants)}"


def test_no_room_is_larger_than_a_fifth() -> None:
    sizes: dict[str, int] = {}
    for path in ROOT.glob("msilod/*/**/*.py"):
        room = path.relative_to(ROOT / "msilod").parts[0]
        sizes[room] = sizes.get(room, 0) + len(path.read_text().splitlines())
    assert max(sizes.values()) < sum(sizes.values()) / 5, sizes
