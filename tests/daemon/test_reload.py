"""Reload: the file is read again, taken over by each room and the listeners, or refused as a whole."""

from pathlib import Path

import pytest
import trio

from msilod.daemon.reload import Reload
from msilod.errors import ConfigError
from msilod.settings import Settings, load
from tests.network.world import World, play


def made(world: World, file: Path, text: str) -> Reload:
    """A reload for a daemon that was started with `text` in `file`."""
    file.write_text(text)

    def read() -> Settings:
        return load(file, {})

    return Reload(world.daemon, world.parts, read(), read)


def test_limits_origins_and_a_later_change_of_the_listeners(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "msilod.toml"
        reload = made(world, file, 'domains = ["example.test"]\n')
        file.write_text(
            'domains = ["example.test", "other.test"]\n[listen]\nudp = ["127.0.0.1:5070"]\nmax_connections = 6\n'
            'idle_timeout = 77\nws_origins = ["https://example.test"]\n'
        )
        assert reload() == {"wants_restart": ["listen"]}
        transports = world.parts.transports
        assert (transports.streams.limits.connections, transports.streams.limits.idle) == (6, 77)
        assert transports.origins == {"https://example.test"}
        assert "other.test" in world.parts.myself.domains
        file.write_text('domains = ["example.test"]\n')
        assert reload() == {"wants_restart": []}
        assert "other.test" not in world.parts.myself.domains
        await trio.sleep(0.001)

    play(tmp_path, story)


def test_a_refused_file_changes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "msilod.toml"
        reload = made(world, file, 'domains = ["example.test"]\n')
        before, limits = world.parts.config, world.parts.transports.streams.limits
        for text in ("", "[silo]\nmax_body = -1\n", "no TOML"):
            file.write_text(text)
            with pytest.raises(ConfigError):
                reload()
        file.unlink()
        with pytest.raises(ConfigError):
            reload()
        assert world.parts.config is before
        assert world.parts.transports.streams.limits is limits
        await trio.sleep(0.001)

    play(tmp_path, story, may_log=("not reloaded, the old configuration stays",))


def test_the_file_taken_over_last_decides_what_a_later_reload_may_miss(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "msilod.toml"
        reload = made(world, file, "")
        file.write_text('domains = ["example.test"]\n')
        reload()
        file.write_text("")
        with pytest.raises(ConfigError, match="no key"):
            reload()
        await trio.sleep(0.001)

    play(tmp_path, story, may_log=("not reloaded, the old configuration stays",))
