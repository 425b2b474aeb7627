"""The border of `msilo`: every failure ends as one line on standard error and its exit code (msilo(1))."""

import os
import sys
import traceback

from msilod.errors import MsilodError
from msilod.printable import printable


def main() -> None:
    """Run the command and exit."""
    from msilo_cli.app import app

    try:
        app()
    except MsilodError as error:
        if os.environ.get("MSILO_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"msilo: {printable(str(error))}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
