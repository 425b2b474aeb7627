"""hatch_build.py: the compiled modules, and the cases in which plain Python is installed."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

import hatch_build

ROOT = Path(__file__).parents[1]
HOOKS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "hooks"
]
MADE = "msilod/sip/parser.cpython-311-x86_64-linux-gnu.so"


class App:
    """Collects the warnings of hatchling."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def display_warning(self, text: str) -> None:
        """Add a warning."""
        self.warned.append(text)


def _build(tmp_path: Path, version: str) -> tuple[dict[str, Any], App]:
    app = App()
    data: dict[str, Any] = {"force_include": {}, "pure_python": True, "infer_tag": False}
    nothing: Any = None
    said: Any = app
    hook = hatch_build.CustomBuildHook(
        str(tmp_path), HOOKS["custom"], nothing, nothing, str(tmp_path), "wheel", said
    )
    hook.initialize(version, data)
    hook.finalize(version, data, "")
    return data, app


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that makes one module."""

    def compiled(root: Path, modules: list[str], folder: Path) -> dict[Path, str]:
        (folder / "made").write_bytes(b"machine code")
        return {folder / "made": MADE}

    monkeypatch.setattr(hatch_build, "compiled", compiled)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends as mypy ends at an error."""

    def compiled(*_: object) -> dict[Path, str]:
        raise SystemExit(1)

    monkeypatch.setattr(hatch_build, "compiled", compiled)


def test_every_pattern_matches_modules() -> None:
    for pattern in HOOKS["custom"]["include"] + HOOKS["custom"]["exclude"]:
        assert list(ROOT.glob(pattern)), f"{pattern} in pyproject.toml names nothing"


@pytest.mark.usefixtures("compiler")
def test_a_wheel_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MSILOD_COMPILE", raising=False)
    data, _ = _build(tmp_path, "standard")
    assert list(data["force_include"].values()) == [MADE]
    assert data["infer_tag"]
    assert not data["pure_python"]


@pytest.mark.usefixtures("no_compiler")
def test_a_wheel_without_a_compiler_is_plain_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MSILOD_COMPILE", raising=False)
    data, app = _build(tmp_path, "standard")
    assert data["pure_python"]
    assert "not compiled" in app.warned[0]


@pytest.mark.usefixtures("no_compiler")
def test_with_required_compilation_the_error_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSILOD_COMPILE", "1")
    with pytest.raises(SystemExit):
        _build(tmp_path, "standard")


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize(("wish", "version"), [("0", "standard"), ("auto", "editable"), ("0", "editable")])
def test_with_plain_python_requested_no_compiler_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: str, version: str
) -> None:
    monkeypatch.setenv("MSILOD_COMPILE", wish)
    data, app = _build(tmp_path, version)
    assert data["pure_python"]
    assert not app.warned


@pytest.mark.usefixtures("compiler")
def test_an_editable_install_has_the_modules_beside_their_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSILOD_COMPILE", "1")
    (tmp_path / MADE).parent.mkdir(parents=True)
    data, _ = _build(tmp_path, "editable")
    assert (tmp_path / MADE).exists()
    assert data["pure_python"]
