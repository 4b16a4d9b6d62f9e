"""Keep Python from importing modules of the current folder, where other people may have put some."""

from __future__ import annotations

import os
import sys

__all__ = ["leave_out_current_folder"]


def leave_out_current_folder() -> None:
    """Remove the current folder from the search path of modules if ``python -m space2vec`` has put it there.

    Python puts it first, so that a ``numpy.py`` in the folder of the alerts would run. By then Python has looked there
    for ``runpy``, ``pkgutil`` and space2vec itself, which it does not for the command ``space2vec`` and for
    ``python -P -m space2vec``. Other programs that import the package, and interactive ones, keep their path.
    """
    if sys.flags.safe_path or sys.argv[:1] != ["-m"] or _module().partition(".")[0] != "space2vec":
        return
    try:
        here = os.getcwd()
    except OSError:  # it has been removed
        return
    if sys.path[:1] in ([here], [""]):
        del sys.path[0]


def _module() -> str:
    """Return the module that Python was asked to run."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word.startswith("--"):
            continue
        for place, option in enumerate(word[1:], 2):
            if option == "m":
                return word[place:] or next(words, "")
            if option in "WX":  # these take what follows
                if not word[place:]:
                    next(words, "")
                break
    return ""
