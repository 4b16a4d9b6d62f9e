"""``python -m space2vec``, and the command ``space2vec``."""

import os
import signal
import sys
import threading
from types import FrameType

__all__ = ["main"]


def main() -> int:
    """Run the command line.

    Returns
    -------
    int
        The exit status; see :mod:`space2vec.cli`.
    """
    # During the imports there is nothing to clean up, and an interrupted import may raise any error.
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, _leave)
    # NumPy's OpenBLAS else starts a thread a core while it is imported, which these commands have no product for.
    if sys.argv[1:2] in (["score"], ["features"]):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from space2vec.cli import main as run

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End at once, as an interrupted command does."""
    os.write(2, b"space2vec: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
