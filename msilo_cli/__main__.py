"""The border of `msilo`: every failure ends as one line on standard error and its exit code (msilo(1))."""

import os
import signal
import sys
import traceback
from types import FrameType

from msilod.errors import MsilodError
from msilod.printable import printable


def main() -> None:
    """Run the command and exit."""
    from msilo_cli.app import app

    for sign in (signal.SIGTERM, signal.SIGHUP):
        # What nohup(1) ignores stays ignored.
        if signal.getsignal(sign) is signal.SIG_DFL:
            signal.signal(sign, _leave)
    try:
        app()
    except MsilodError as error:
        if os.environ.get("MSILO_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"msilo: {printable(str(error))}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(sign: int, frame: FrameType | None) -> None:
    """End as the shell reports that signal, but by an exception: transactions are rolled back, files removed."""
    raise SystemExit(128 + sign)


if __name__ == "__main__":
    main()
