"""The border of `msilo`: every failure ends as one line on standard error and its exit code (msilo(1))."""

import os
import sys
import traceback

from msilod.errors import MsilodError
from msilod.printable import printable


def main() -> None:
    """Run the command and exit."""
    # SIGPIPE's meaning, without the traceback: who reads has seen enough.
    from msilo_cli.app import app

    try:
        app()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the flush at exit
        sys.exit(0)
    except MsilodError as error:
        if os.environ.get("MSILO_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"msilo: {printable(str(error))}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
