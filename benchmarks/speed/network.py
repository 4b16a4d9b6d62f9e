"""The network in integers beside programs that run its float weights, on one core, in turns.

    python -m benchmarks.speed.network [--rounds 25] [--batch 64 1] [--openvino PYTHON] [--json FILE]

Every contender computes P(real) from the same prepared planes and features: the library (``native``, and with each
instruction set), ONNX Runtime in float32, PyTorch, and OpenVINO in float32, bfloat16 and int8 (quantised by NNCF, if it
is installed). ``--openvino`` names a Python that has OpenVINO and NumPy. Times are microseconds a stamp.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 512
ISAS = ("baseline", "v3", "v4", "v4vnni")

Predict = Callable[[np.ndarray, np.ndarray], Any]


def native(folder: Path, batch: int) -> Predict:
    """Return the integer network of the library."""
    from space2vec import _core

    if _core.isa() is None:
        raise SystemExit(f"this processor has no {os.environ['SPACE2VEC_ISA']}")
    model, out = _core.Model((folder / "model.safetensors").read_bytes()), np.empty(batch, np.float32)
    return lambda planes, features: model.predict(planes, features, out, 1)


def onnx_runtime(folder: Path, _: int) -> Predict:
    """Return the float network in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])
    return lambda planes, features: session.run(None, {"planes": planes, "features": features})


def torch_floats(folder: Path, _: int) -> Predict:
    """Return the float network in PyTorch."""
    import torch

    import space2vec as s2v

    torch.set_num_threads(1)
    module = s2v.load(folder / "model.safetensors").module

    def predict(planes: np.ndarray, features: np.ndarray) -> Any:
        with torch.inference_mode():
            return module(torch.from_numpy(planes), torch.from_numpy(features))

    return predict


def openvino(folder: Path, batch: int, precision: str = "f32") -> Predict:
    """Return the float network in OpenVINO, in the given precision."""
    import openvino as ov

    core = ov.Core()
    model = core.read_model(folder / "model.onnx")
    if precision == "int8":
        import nncf

        stored = np.load(folder / "inputs.npz")
        items = [{"planes": stored["planes"][i : i + 1], "features": stored["features"][i : i + 1]} for i in range(300)]
        model = nncf.quantize(model, nncf.Dataset(items), subset_size=300)
    model.reshape({name: [batch, *shape[1:]] for name, shape in _shapes(folder).items()})
    hints = {"INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision, "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(model, "CPU", {**hints, "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    return lambda planes, features: request.infer({"planes": planes, "features": features}, share_inputs=True)


CONTENDERS: dict[str, Callable[[Path, int], Predict]] = {
    "native": native,
    "onnxruntime float32": onnx_runtime,
    "torch float32": torch_floats,
    **{
        f"openvino {precision}": lambda folder, batch, precision=precision: openvino(folder, batch, precision)
        for precision in ("f32", "bf16", "int8")
    },
}


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    stored = np.load(folder / "inputs.npz")
    return {name: stored[name].shape for name in ("planes", "features")}


def work(name: str, folder: Path, batch: int) -> None:
    """Work as a contender."""
    from benchmarks.speed.rounds import serve

    stored = np.load(folder / "inputs.npz")
    planes, features = stored["planes"], stored["features"]
    with contextlib.redirect_stdout(sys.stderr):  # quantisation prints progress
        predict = CONTENDERS[name](folder, batch)

    def run(_: int) -> int:
        for begin in range(0, ROWS, batch):
            predict(planes[begin : begin + batch], features[begin : begin + batch])
        return ROWS

    serve(run)


def write_inputs(folder: Path) -> None:
    """Write the packaged model, its ONNX graph, and its inputs for simulated alerts."""
    import space2vec as s2v
    from space2vec.models.load import packaged

    (folder / "model.safetensors").write_bytes(packaged()["stampnet"].read_bytes())
    network = s2v.load("stampnet")
    network.export(folder / "model.onnx")
    planes, features = network.inputs(s2v.simulate(ROWS, seed=3).stamps).arrays
    np.savez(folder / "inputs.npz", planes=np.nan_to_num(planes), features=features)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 1])
    parser.add_argument("--openvino", default=sys.executable, metavar="PYTHON", help="a Python that has OpenVINO")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--work", nargs=3, metavar=("NAME", "FOLDER", "BATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(options.work[0], Path(options.work[1]), int(options.work[2]))
    from benchmarks.speed.rounds import Contender, quartiles, time_in_turns

    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder))
        for batch in options.batch:
            contenders = {}
            for name in CONTENDERS:
                python = options.openvino if name.startswith("openvino") else sys.executable
                command: list[str | Path] = [python, "-m", __spec__.name, "--work", name, folder, str(batch)]
                contenders[name] = Contender(command)
                if name == "native":
                    contenders |= {f"native {isa}": Contender(command, {"SPACE2VEC_ISA": isa}) for isa in ISAS}
            times = time_in_turns(contenders, options.rounds)
            native_times = np.array(times["native"])
            results[str(batch)] = {}
            print(f"\nbatch {batch}: microseconds a stamp, quartiles of {options.rounds} rounds; times the native")
            for name, spent in times.items():
                low, middle, high = quartiles(spent)
                ratio = float(np.median(np.array(spent) / native_times))
                results[str(batch)][name] = {"microseconds": [low, middle, high], "times_native": ratio}
                print(f"  {name:22} {low:8.2f} {middle:8.2f} {high:8.2f}   {ratio:6.2f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
