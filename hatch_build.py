"""Build: compiles the modules on the path of each message with mypyc, when a C compiler is available.

MSILOD_COMPILE sets the mode:
- unset or `auto`: compile if possible, otherwise plain Python with a warning; an editable install is always plain.
- `1`: compile or fail, also in an editable install; there the compiled modules lie beside their sources.
- `0`: plain Python.

An editable install is plain by default, because a changed source must take effect without a build.

Measured on two cores, with the download of the tools: 90 s. mypyc takes 10 s of these, the C compiler most of the
others, with one file per module and without warnings. One file for all modules, with -Wall, took 4 minutes.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

GROUP: Final = "msilod"
# setuptools drives the C compiler; the libraries are here for their types.
REQUIRED: Final = [
    "mypy>=1.18",
    "setuptools>=70",
    "dnspython>=2.6",
    "msgspec>=0.19",
    "structlog>=24.1",
    "trio>=0.27",
]
# Without the project's configuration: the strict checks could fail an install with another version of mypy.
OPTIONS: Final = ["--config-file=", "--explicit-package-bases", "--ignore-missing-imports"]


class CustomBuildHook(BuildHookInterface[Any]):
    """The build hook. [tool.hatch.build.targets.wheel.hooks.custom] has the modules in `include` and `exclude`."""

    def dependencies(self) -> list[str]:
        """The packages needed by the build; none for plain Python."""
        return REQUIRED if self._wish() != "0" else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile in a temporary folder, and add the results to the wheel (or copy them, when editable).

        Raises the error of a failed compilation when MSILOD_COMPILE is `1`.
        """
        wish = self._wish()
        if wish == "0" or (version == "editable" and wish != "1"):
            return
        self._folder = Path(mkdtemp(prefix="msilod-build-"))
        try:
            built = compiled(Path(self.root), self._modules(), self._folder)
        except (Exception, SystemExit) as error:
            if wish == "1":
                raise
            self.app.display_warning(f"msilod is not compiled; plain Python has half the speed ({error!r})")
            return
        if version == "editable":
            for path, name in built.items():
                shutil.copy(path, Path(self.root) / name)
            return
        build_data["force_include"].update({str(path): name for path, name in built.items()})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        if hasattr(self, "_folder"):
            shutil.rmtree(self._folder, ignore_errors=True)

    def _wish(self) -> str:
        return os.environ.get("MSILOD_COMPILE", "auto")

    def _modules(self) -> list[str]:
        root = Path(self.root)
        found = {path for pattern in self.config["include"] for path in root.glob(pattern)}
        found -= {path for pattern in self.config["exclude"] for path in root.glob(pattern)}
        return sorted(str(path.relative_to(root)) for path in found)


def compiled(root: Path, modules: list[str], folder: Path) -> dict[Path, str]:
    """Compile `modules` in `folder`. Returns compiled files with their places in the wheel.

    Raises CompileError, or SystemExit from mypy.
    """
    from mypyc.build import mypycify

    with chdir(root):
        # Level 2 takes longer to compile than level 1, and takes 5 % less processor time for a relay or a refresh.
        extensions = mypycify(
            [*OPTIONS, f"--cache-dir={folder / 'cache'}", *modules], opt_level="2", debug_level="0",
            multi_file=True, group_name=GROUP, target_dir=str(folder / "c"),
        )  # fmt: skip
        for extension in extensions:
            extension.extra_compile_args.append("-w")
        _build(extensions, folder)
    made = [path for path in (folder / "lib").rglob("*") if path.is_file()]
    return {path: str(path.relative_to(folder / "lib")) for path in made}


def _build(extensions: list[Any], folder: Path) -> None:
    """Compile with all processors.

    setuptools compiles the sources of one extension one after the other, and nearly all sources are in one extension.
    """
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    class SideBySide(build_ext):
        def build_extensions(self) -> None:
            one_by_one = self.compiler.compile

            def compile_all(sources: list[str], *arguments: Any, **options: Any) -> list[str]:
                with ThreadPoolExecutor(os.cpu_count()) as pool:
                    made = pool.map(lambda source: one_by_one([source], *arguments, **options), sources)
                    return [path for paths in made for path in paths]

            self.compiler.compile = compile_all
            super().build_extensions()

    build = SideBySide(Distribution({"ext_modules": extensions}))
    build.build_lib, build.build_temp = str(folder / "lib"), str(folder / "o")
    build.parallel = os.cpu_count()
    build.ensure_finalized()
    build.run()
