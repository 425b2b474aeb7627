"""ARCHITECTURE.md names paths, modules and functions: each exists, and the page has each room and each law."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
TOPS = "msilod|msilo_cli|tests|schema|contrib|man"
# In the wheel only.
INSTALLED = {"msilod/schema"}
LAWS = 9


def _paths() -> set[str]:
    return set(re.findall(rf"`((?:{TOPS})/[\w./]*)`", PAGE)) - INSTALLED


def _names() -> set[str]:
    """The names of all classes, functions, fields and constants of the code."""
    names = set()
    for path in [*ROOT.glob("msilod/**/*.py"), *ROOT.glob("msilo_cli/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                    names.add(node.name)
                case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name)):
                    names.add(name)
                case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)]):
                    names.add(name)
    return names


def test_each_path_on_the_page_exists() -> None:
    paths = _paths()
    assert len(paths) > 80
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_paths_are_whole() -> None:
    """A path without its top folder cannot be tested: only the names of silo files and of siblings are short."""
    short = set(re.findall(r"`(\w[\w/]*/\w+\.py)`", PAGE))
    assert sorted(path for path in short if not re.match(rf"({TOPS})/", path)) == []


def test_each_method_on_the_page_exists() -> None:
    methods = {
        (owner, name)
        for owner, name in re.findall(r"`([A-Z]\w+)\.(\w+)`", PAGE)
        if (owner, name) != ("Limit", "DISK")
    }
    assert len(methods) > 20
    names = _names()
    missing = [f"{owner}.{name}" for owner, name in methods if owner not in names or name not in names]
    assert sorted(missing) == []


def test_each_room_is_on_the_page() -> None:
    rooms = [path.name for path in (ROOT / "msilod").iterdir() if (path / "__init__.py").exists()]
    assert len(rooms) > 15
    assert [room for room in rooms if f"| `msilod/{room}/` |" not in PAGE] == []


def test_the_laws_keep_their_numbers() -> None:
    laws = PAGE.partition("\n## Laws\n")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d+)\. \*\*", laws, flags=re.MULTILINE) == [
        str(number) for number in range(1, LAWS + 1)
    ]


def test_each_link_within_the_page_leads_somewhere() -> None:
    heads = re.findall(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    assert [link for link in re.findall(r"\]\(#([\w-]+)\)", PAGE) if link not in anchors] == []
