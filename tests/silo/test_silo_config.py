"""[silo] in msilod.toml: bad values are refused with the line, and each key reaches its room."""

from pathlib import Path

import pytest

from msilod.config import Config, SiloConfig
from msilod.daemon.policies import silo_policy
from msilod.errors import ConfigError
from msilod.routing.domains import Domains
from msilod.settings import read


def read_silo(folder: Path, line: str) -> Config:
    file = folder / "msilod.toml"
    file.write_text(f"[silo]\n{line}\n")
    return read(file)


@pytest.mark.parametrize(
    "line",
    [
        'extra_hdrs = ["Contact: <sip:x@y>"]', 'extra_hdrs = ["f: <sip:x@y>"]', 'extra_hdrs = ["no field"]',
        'extra_hdrs = ["X-A: 1\\r\\nX-B: 2"]', 'accept_types = ["text"]', 'refuse_types = ["text/*; q=1"]',
        'failure_notice = "gone"', "imdn_expire_time = 0", "notice_period = 0", 'imdn = "yes"',
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=f"line 2: silo.{line.partition(' ')[0]}"):
        read_silo(tmp_path, line)


@pytest.mark.parametrize(
    "line",
    [
        'extra_hdrs = ["X-Silo: ja, größer"]',
        'accept_types = ["text/*", "application/vnd.x+xml"]',
        "add_date = true",
    ],
)
def test_a_good_value_is_taken(tmp_path: Path, line: str) -> None:
    config = read_silo(tmp_path, line)
    name = line.partition(" ")[0]
    value = getattr(config.silo, name)
    policy_value = getattr(silo_policy(config, Domains(["example.test"])), name)
    assert (tuple(value) if isinstance(value, list) else value) == policy_value
    assert value != getattr(SiloConfig(), name)
