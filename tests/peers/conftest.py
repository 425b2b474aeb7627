"""What the tests of peers share: the daemon of the scenarios, and how a program is found."""

from tests.programs import program
from tests.scenarios.conftest import daemon, phone, start_daemon

__all__ = ["daemon", "phone", "program", "start_daemon"]
