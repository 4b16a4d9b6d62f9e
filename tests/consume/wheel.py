"""Look into a wheel: its size, the library for C and C++ in it, and the bill of materials that it carries.

python tests/consume/wheel.py FILE.whl
"""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

LIMIT = 8_000_000
LIBRARY_LIMIT = 3_000_000
ROOT = Path(__file__).resolve().parents[2]
#: Licences by the names of SPDX that occur.
LICENCES = {"BSD-3-Clause", "MIT", "Zlib"}


def check_bill(bill: dict, names: list[str], version: str) -> None:
    """Raise AssertionError where a bill of materials is no CycloneDX, or not that of what is in the wheel."""
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["specVersion"] == "1.6"
    assert set(bill) == {"bomFormat", "specVersion", "version", "metadata", "components", "dependencies"}
    assert bill["metadata"]["component"]["version"] == version
    parts = {part["bom-ref"]: part for part in bill["components"]}
    assert len(parts) == len(bill["components"])
    for part in (*parts.values(), bill["metadata"]["component"]):
        assert part["type"] in ("library", "application")
        assert all(part.get(key) for key in ("name", "description", "licenses")), part
        for licence in part["licenses"]:
            assert licence["license"].get("id") in LICENCES or licence["license"].get("name"), part
        assert part.get("version") or part["scope"] == "optional", part
        package = f"pkg:pypi/{part['name']}@{part.get('version')}"
        assert part.get("purl", package) == package, part
    assert parts["pybind11"]["version"] == metadata.version("pybind11")
    assert ("cudart" in parts) == any(Path(name).name.startswith("_cuda.") and name.endswith(".so") for name in names)
    (of,) = bill["dependencies"]
    assert of["ref"] == "space2vec"
    assert set(of["dependsOn"]) == set(parts)
    # Whatever is opened by its name is in it.
    sources = (path.read_text("utf-8") for path in (ROOT / "cpp" / "src").rglob("*.cpp"))
    opened = {name for text in sources for name in re.findall(r'SharedLibrary library\("([^"]+)"\)', text)}
    optional = (part["description"] for part in parts.values() if part["scope"] == "optional")
    told = {description.split(" as ")[-1].split(",")[0] for description in optional}
    assert opened == told, (opened, told)


def exported(library: bytes) -> set[str]:
    """Return the names of the symbols that a shared library defines for others."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(library)
        file.flush()
        command = ["nm", "--dynamic", "--defined-only", "--format=posix", file.name]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[0].split("@")[0] for line in lines}


def check_library(archive: zipfile.ZipFile) -> None:
    """Raise AssertionError where others cannot build against the library in a wheel, or the extension hides nothing."""
    names = archive.namelist()
    (library,) = [name for name in names if name.startswith("space2vec/lib/libspace2vec.so")]
    assert archive.getinfo(library).file_size < LIBRARY_LIMIT
    print(f"{library}: {archive.getinfo(library).file_size} bytes (limit {LIBRARY_LIMIT})")
    headers = {Path(name).name for name in names if name.startswith("space2vec/include/space2vec/")}
    assert {"space2vec.h", "space2vec.hpp", "model.h", "model.hpp", "reader.h", "reader.hpp"} <= headers
    assert "cuda.h" not in headers
    assert "space2vec/lib/cmake/space2vec/space2vec-config.cmake" in names
    assert "space2vec/lib/pkgconfig/space2vec.pc" in names
    models = [Path(name).name for name in names if name.endswith(".safetensors")]
    assert len(models) == len(set(models)) > 0, models
    symbols = exported(archive.read(library))
    assert all(name.startswith(("s2v_", "SPACE2VEC_")) for name in symbols), symbols
    (core,) = [name for name in names if Path(name).name.startswith("_core.") and name.endswith(".so")]
    ours = {name for name in exported(archive.read(core)) if name.startswith("s2v_")}
    assert not ours, ours


def main(wheel: Path) -> None:
    """Check a wheel, and say what was found."""
    size = wheel.stat().st_size
    print(f"wheel: {size} bytes (limit {LIMIT})")
    assert size < LIMIT
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
        bill = json.loads(archive.read(f"{info}/sboms/space2vec.cdx.json"))
        record = archive.read(f"{info}/RECORD").decode()
        check_library(archive)
    assert f"{info}/sboms/space2vec.cdx.json,sha256=" in record
    check_bill(bill, names, info.split("-")[1].removesuffix(".dist"))
    print(f"bill of materials: {', '.join(sorted(part['name'] for part in bill['components']))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
