"""Compare the symbols and structures of the built library with what was promised.

python tests/consume/abi.py LIBRARY.so [--include FOLDER] [--update]

The promise is cpp/abi.txt: every exported symbol with its version, the size of every structure of the headers, and the
offset of every member; every constant with its value. What was promised stays within a version of the ABI; ``--update``
writes the file anew.
"""

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMISE = ROOT / "cpp" / "abi.txt"


def without_comments(text: str) -> str:
    """Return C without its comments."""
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def structures(text: str) -> dict[str, list[str]]:
    """Return the names of the members of every structure that a header defines."""
    found = {}
    for name, body in re.findall(r"typedef struct (s2v_\w+) \{(.*?)\n\} \1;", text, flags=re.DOTALL):
        members = []
        for declaration in body.split(";"):
            if not declaration.strip():
                continue
            function = re.search(r"\(\*(\w+)\)\s*\(", declaration)
            first, *others = declaration.split(",") if not function else [declaration]
            members.append(function[1] if function else re.findall(r"(\w+)\s*(?:\[.*)?$", first.strip())[0])
            members += [re.findall(r"(\w+)\s*(?:\[.*)?$", other.strip())[0] for other in others if not function]
        found[name] = members
    return found


def constants(text: str) -> list[str]:
    """Return the names of all constants of the enumerations of a header."""
    bodies = re.findall(r"enum(?: s2v_\w+)? \{(.*?)\}", text, flags=re.DOTALL)
    return [name for body in bodies for name in re.findall(r"\b(S2V_\w+)\s*=", body)]


def layout(include: Path) -> list[str]:
    """Compile a program that prints the layout of everything in the headers, and run it."""
    headers = sorted(path for path in (include / "space2vec").glob("*.h") if path.name != "cuda.h")
    lines = []
    for header in headers:
        text = without_comments(header.read_text())
        for name, members in structures(text).items():
            lines.append(f'printf("struct {name} %zu\\n", sizeof({name}));')
            lines += [f'printf("  {name}.{member} %zu\\n", offsetof({name}, {member}));' for member in members]
        lines += [f'printf("{name} %d\\n", (int){name});' for name in constants(text)]
    source = "#include <stdio.h>\n" + "".join(f"#include <space2vec/{header.name}>\n" for header in headers)
    source += "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "layout"
        command = ["cc", "-std=c99", f"-I{include}", "-x", "c", "-", "-o", str(program)]
        subprocess.run(command, input=source, text=True, check=True)
        return subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()


def symbols(library: Path) -> list[str]:
    """Return the exported symbols, each with its version."""
    command = ["nm", "--dynamic", "--defined-only", "--format=posix", str(library)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(line.split()[0] for line in out.splitlines())


def main() -> int:
    """Compare, or write the promise anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--include", type=Path, default=ROOT / "cpp" / "include")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    now = [*symbols(arguments.library), "", *layout(arguments.include)]
    if arguments.update:
        PROMISE.write_text("\n".join(now) + "\n")
        return 0
    promised = PROMISE.read_text().splitlines()
    changes = list(difflib.unified_diff(promised, now, "promised", "built", lineterm="", n=0))
    print("\n".join(changes) if changes else f"ABI: {len(now) - 1} symbols, members and constants as promised")
    if changes:
        print(f"where this is meant: python {Path(__file__).relative_to(ROOT)} LIBRARY --update")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
