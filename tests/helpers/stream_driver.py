"""Run ``space2vec stream`` in a process that kills itself, or waits, at a point of its loop.

``python -m helpers.stream_driver POINT NUMBER SECONDS ARGUMENTS``: when batch NUMBER has passed POINT, wait for
SECONDS; if they are 0, the process kills itself. A point "" is never passed. SIGUSR1 prints where its threads are.
"""

import faulthandler
import os
import signal
import sys
import time

from space2vec.cli import main
from space2vec.stream import loop


def drive(point, number, seconds, arguments):
    """Run the command, with a hook where tests need one; return its exit status."""
    run = loop.run

    def watch(passed, batch):
        if passed == point and batch == number:
            print(f"at {point}", flush=True)
            if seconds:
                time.sleep(seconds)
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    loop.run = lambda *positional, **named: run(*positional, **named | {"watch": watch})
    return main(["stream", *arguments])


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)
    sys.exit(drive(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
