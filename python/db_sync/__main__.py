"""The `db-sync` command, also as `python -m db_sync`."""

import signal
import sys

from db_sync import _native


def main() -> int:
    """Runs the native command on this process's arguments.

    Returns:
        The exit status.
    """
    # The engine looks after these itself; Python's own handler would add a traceback to its words.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Under `python -m` the first argument is this file's path, which nobody should read in a usage.
    return _native.main(["db-sync", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
