"""Fuzz one target of ``reader_targets.py`` by Atheris.

python fuzz_reader.py TARGET [options of libFuzzer] [folders of inputs]
"""

from __future__ import annotations

import importlib
import pkgutil
import resource
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
#: Address space, as the promise has it: 3 GB beyond what Python and libFuzzer have taken.
ROOM = 3 << 30
#: What tells the length of a model's header.
_PREFIX = 8

sys.path[:0] = [str(HERE), str(HERE.parents[1])]  # the targets, and what makes alerts for tests
# What these import is instrumented: every branch that bytes of others may reach.
with atheris.instrument_imports(include=["space2vec", "zipfile", "PIL"]):
    import PIL.GifImagePlugin  # noqa: F401

    import space2vec.reading

    # What is imported where it is first used would not be instrumented.
    for module in pkgutil.iter_modules(space2vec.reading.__path__, "space2vec.reading."):
        importlib.import_module(module.name)
    from reader_targets import TARGETS


def change_model(data: bytes, most: int, seed: int) -> bytes:
    """Change the JSON header of a model file together with its length, or the tensors: not where the two meet."""
    if len(data) < _PREFIX or seed % 8 == 0:
        return bytes(atheris.Mutate(data, most))
    length = min(int.from_bytes(data[:_PREFIX], "little"), len(data) - _PREFIX)
    header, tensors = data[_PREFIX : _PREFIX + length], data[_PREFIX + length :]
    if seed % 2:
        header = atheris.Mutate(header, max(most - _PREFIX - len(tensors), 1))
    else:
        tensors = atheris.Mutate(tensors, max(most - _PREFIX - len(header), 1))
    return len(header).to_bytes(_PREFIX, "little") + header + tensors


def main() -> None:
    """Fuzz until libFuzzer's options end it."""
    name = sys.argv.pop(1)
    in_use = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM, resource.RLIM_INFINITY))
    changes = {"custom_mutator": change_model} if name == "model" else {}
    atheris.Setup(sys.argv, TARGETS[name], **changes)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
