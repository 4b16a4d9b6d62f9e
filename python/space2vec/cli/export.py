"""``space2vec export``: write a model as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from space2vec.cli.own_module import add_module, load_model
from space2vec.cli.printing import print_line

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = "Write a network or a forest as an ONNX file, whose metadata names its recipe and its columns."
    parser.add_argument("model", metavar="MODEL", help="a packaged model or a model file")
    parser.add_argument("-o", "--output", required=True, metavar="FILE.onnx", help="the ONNX file")
    add_module(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    output = Path(arguments.output)
    if output.suffix != ".onnx":
        raise ValueError(f"cannot write {output}: the suffix of an ONNX file is .onnx")
    model = load_model(arguments)
    model.export(output)
    how = "" if model.header.calibration is None else ", its calibration included"
    print_line(f"model {model.id}, which takes {' and '.join(model.shapes)}{how}, in {output}")
    return 0
