"""Main: runs `msilo`; each failure ends as one line on standard error and an exit code (msilo(1))."""

import os
import signal
import sys
import traceback
from types import FrameType

from msilod.errors import MsilodError
from msilod.printable import printable
from msilod.streams import discard, prepare


def main() -> None:
    """Run the command and exit."""
    prepare()
    from msilo_cli.app import app

    for sign in (signal.SIGTERM, signal.SIGHUP):
        # A signal ignored by nohup(1) stays ignored.
        if signal.getsignal(sign) is signal.SIG_DFL:
            signal.signal(sign, _leave)
    try:
        app()
    except MsilodError as error:
        if os.environ.get("MSILO_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"msilo: {printable(str(error))}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        # The verbs report errors of files named on the command line. Other errors are about the standard streams.
        name = printable(str(error.filename)) if error.filename else "standard input or output"
        sys.stderr.write(f"msilo: {name}: {error.strerror or error}\n")
        discard(sys.stdout)
        sys.exit(77 if isinstance(error, PermissionError) else 1)
    except MemoryError:
        sys.stderr.write("msilo: out of memory\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(sign: int, frame: FrameType | None) -> None:
    """Exit with 128 + `sign`, by an exception, so transactions are rolled back and temporary files removed."""
    raise SystemExit(128 + sign)


if __name__ == "__main__":
    main()
