"""Look into a wheel: its size, and the bill of materials that it carries.

python tests/consume/wheel.py FILE.whl
"""

import json
import re
import sys
import zipfile
from importlib import metadata
from pathlib import Path

LIMIT = 5_000_000
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
    assert f"{info}/sboms/space2vec.cdx.json,sha256=" in record
    check_bill(bill, names, info.split("-")[1].removesuffix(".dist"))
    print(f"bill of materials: {', '.join(sorted(part['name'] for part in bill['components']))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
