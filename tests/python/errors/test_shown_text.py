"""Text of others in terminals, messages, pictures and HTML: one line, printable, cut."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tracemalloc
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from helpers import tiny_models
from helpers.packets import avro_bytes, packet
from space2vec import Features, Scores, Stamps, errors
from space2vec.cli import _print_own_warnings_in_one_line, main, printing
from space2vec.errors.text import MESSAGE, lines, one_line
from space2vec.reading import Problem, read_scores
from space2vec.writing import SUFFIXES

#: Colours, a title for the window, a further line, a carriage return, C1 codes, marks of direction.
CODES = "\x1b[31m\x1b]0;title\x07 \n\r\x08\x7f\x85\x9b1m \u202e\u2066\u200f\u2028 end"
#: What reads as a formula: to matplotlib it is one that cannot be drawn, to LaTeX a file to read.
FORMULA = r"$\frac{1$ \input{/etc/passwd} a_b^c"
#: The long ones are as long as an id may be, about.
HOSTILE = {
    "codes": CODES,
    "formula": FORMULA,
    "long": "n" * 1_020,
    "long codes": "\x1b" * 1_020,
    "bytes": "caf\udce9",
}


def is_harmless(text, most=MESSAGE):
    return text.isprintable() and len(text) <= most


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("most", [11, 28, 200, MESSAGE])
def test_a_line_is_printable_short_and_stays_as_it_is(text, most):
    line = one_line(text, most)
    assert is_harmless(line, most)
    assert one_line(line, most) == line


def test_what_a_line_shows():
    assert one_line("plain, ünïcode 漢字 ☄") == "plain, ünïcode 漢字 ☄"
    assert one_line("a\x1b[31mb\n\u202e\ud800caf\udce9\U000e0041") == r"a\x1b[31mb\n\u202e\ud800caf\xe9\U000e0041"
    assert one_line(None) == "None"
    assert one_line("a" * 60 + "z" * 40, 38) == "a" * 22 + " ... " + "z" * 11
    assert lines("a\n\tb") == "a\n\\tb"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_errors_and_problems(text):
    for kind in (errors.ReadError, errors.ModelError, errors.BackendError, errors.OutputError, errors.Space2vecWarning):
        assert is_harmless(str(kind(f"the file {text} is damaged"))), kind
        assert str(kind(f"the file {text} is damaged")).startswith("the file ")
        assert str(kind(f"the file {text} is damaged")).endswith(" is damaged")
    problem = Problem(text, "damaged_file", f"tensor {text} has no place", record=3)
    assert is_harmless(problem.message)
    assert is_harmless(str(problem), 2 * MESSAGE)
    assert str(problem).endswith("has no place")
    assert problem.path == text, "by which the file is found"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_model_that_calls_itself_so(tmp_path, text):
    text = text.replace("\udce9", "")[:200]  # a longer name is refused (test_lying_models.py)
    judge = s2v.load(write_model(tmp_path / "m.safetensors", name=text))
    assert is_harmless(repr(judge), 400)
    with pytest.raises(ValueError, match="takes") as caught:
        judge.predict()
    assert is_harmless(str(caught.value))
    scores = judge.score(a_stamp())
    assert all(map(str.isprintable, repr(scores).splitlines()))
    assert all(map(str.isprintable, scores._repr_html_().splitlines()))
    assert len(repr(scores)) < 2 * MESSAGE
    needs = write_model(tmp_path / "n.safetensors", names=[f"{k}{text}" for k in range(7)])
    with pytest.raises(errors.ModelError) as lacking:
        s2v.load(needs).score(s2v.features(a_stamp()))
    assert is_harmless(str(lacking.value))


def write_model(path, name=None, names=None):
    changes = {} if name is None else {"name": name}
    changes |= {} if names is None else {"feature_names": tuple(names), "feature_set": "custom"}
    path.write_bytes(tiny_models.with_header(tiny_models.models()["forest"], **changes))
    return path


def a_stamp(**more):
    return Stamps(np.random.default_rng(1).normal(100, 5, (1, 3, 21, 21)).astype(np.float32), **more)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_tables_of_such_columns(text):
    table = Features(np.zeros((1, 1), np.float32), (text,), np.zeros(1, np.uint32), np.array([text], object), [text])
    assert all(map(is_harmless, repr(table).splitlines()))
    assert all(map(is_harmless, table._repr_html_().splitlines()))
    assert "<b>" not in Features(
        np.zeros((1, 1), np.float32), ("<b>",), np.zeros(1, np.uint32), np.array(["<b>"], object), ["<b>"]
    )._repr_html_()  # fmt: skip
    for look in (lambda: table["x"], lambda: table.select(["x"])):
        with pytest.raises(KeyError) as caught:
            look()
        assert is_harmless(str(caught.value), 2 * MESSAGE)


NAMES = {**HOSTILE, "underscore": "_hidden"}


def figures_of(text):
    stamps = a_stamp(object_id=[text], candidate_id=[text])
    rng = np.random.default_rng(0)
    score, label = rng.random(40), np.arange(40) % 2
    values = rng.random((40, 1)).astype(np.float32)
    table = Features(values, (text,), np.zeros(40, np.uint32), np.arange(40).astype(object), np.arange(40))
    flags = np.zeros(1, np.uint32)
    return {
        "mosaic": s2v.plot.mosaic(stamps, Scores(np.full(1, 0.5), flags, stamps.object_id, stamps.candidate_id, text)),
        "mdr_fpr": s2v.plot.mdr_fpr({text: (score, label), "other": (score, label)}),
        "reliability": s2v.plot.reliability({text: (score, label)}),
        "distributions": s2v.plot.distributions({text: (table, label)}),
    }


def names_in(figure):
    """Return the texts that have the name of others in them."""
    import matplotlib.text

    signs = ("frac", "x1b", "nnnn", "hidden", "caf")
    return [one for one in figure.findobj(matplotlib.text.Text) if any(sign in one.get_text() for sign in signs)]


@pytest.mark.parametrize("latex", [False, True])
@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_names_in_pictures_are_no_formulas(text, latex):
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"text.usetex": latex}):
        for picture, figure in figures_of(text).items():
            drawn = names_in(figure)
            assert drawn, picture
            for one in drawn:
                assert all(map(str.isprintable, one.get_text().split("\n"))), picture
                assert len(one.get_text()) < 200, picture
                assert (one.get_usetex(), one.get_parse_math()) == (False, False), picture


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_pictures_can_be_drawn_and_read(tmp_path, text, suffix):
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings(action="error"):
        for picture, figure in figures_of(text).items():
            path = tmp_path / f"{picture}{suffix}"
            figure.savefig(path)
            if suffix == ".svg":
                ElementTree.parse(path)


def test_characters_that_no_font_has_are_drawn_without_a_word(tmp_path):
    with warnings.catch_warnings(action="error"):
        s2v.plot.mosaic(a_stamp(object_id=["漢字 \U0001f600"]), path=tmp_path / "picture.png")


def raw_text(cells, kind):
    """Return bytes as text that nobody has looked at, as a Parquet file may hold it."""
    held = pa.array(cells, pa.binary() if kind == pa.string() else pa.large_binary())
    return pa.Array.from_buffers(kind, len(held), held.buffers())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_an_id_that_is_no_text_costs_nothing_else(tmp_path, kind):
    cells = [b"plain", b"caf\xff", None, b"\xed\xa0\x80"]
    told = ["plain", "caf\\xff", None, "\\xed\\xa0\\x80"]
    alerts = [packet(k) for k in range(4)]
    columns = {name: pa.array([one[name] for one in alerts]) for name in alerts[0] if name.startswith("cutout")}
    pq.write_table(
        pa.table({**columns, "objectId": raw_text(cells, kind), "candid": raw_text(cells, kind)}),
        tmp_path / "a.parquet",
    )
    stamps = s2v.read(tmp_path / "a.parquet", columns=["objectId"])
    assert stamps.candidate_id.tolist() == told
    assert stamps.object_id.tolist() == [text or "" for text in told]
    assert stamps.columns["objectId"].tolist() == told
    values = pa.array(np.arange(4, dtype=np.float32))
    pq.write_table(pa.table({"candidate_id": raw_text(cells, kind), "AMP": values}), tmp_path / "f.parquet")
    assert s2v.read(tmp_path / "f.parquet").candidate_id.tolist() == told


def recorded(folder, *arguments):
    """Run a command in a terminal of its own; return its exit status and what the terminal was sent."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "space2vec", *map(os.fsencode, arguments)]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        sent = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            sent += part
    os.close(ours)
    return process.returncode, sent


def assert_harmless(sent):
    text = sent.decode("utf-8").replace("\r\n", "\n")
    # The bar of progress goes back to the beginning of its line.
    for line in text.replace("\r", "\n").split("\n"):
        assert line.isprintable(), line
    return text


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Return a folder with a hostile model, and alerts under such names, in archives too."""
    folder = tmp_path_factory.mktemp("hostile")
    alerts = folder / "alerts"
    alerts.mkdir()
    good = [{**packet(k), "objectId": text} for k, text in enumerate(HOSTILE.values()) if "\udce9" not in text]
    (alerts / "good.avro").write_bytes(avro_bytes(good))
    try:
        for number, name in enumerate((CODES, FORMULA.replace("/", ""), "\x1b" * 200, "caf\udce9")):
            (alerts / f"{name}.avro").write_bytes(avro_bytes([packet(10 + number)])[:3000])
    except OSError:
        pytest.skip("the file system wants plain names")
    with tarfile.open(alerts / "night.tar", "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for text in HOSTILE.values():
            member = tarfile.TarInfo(f"{text}.avro")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"wrong"))
    write_model(folder / "codes.safetensors", name=CODES)
    write_model(folder / "long.safetensors", name="n" * 256)
    header = json.dumps({f"layer{CODES}": {"dtype": "none", "shape": [], "data_offsets": [0, 0]}}).encode()
    (folder / "tensor.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    labels = ["candidate_id,label", *(f"{10**17 + k},{k % 2}" for k in range(4))]
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    return folder


def test_a_night_of_such_names_in_a_terminal(night):
    for number, model in enumerate(("codes", "long")):
        options = ("--model", f"{model}.safetensors", "-o", f"out{number}.csv", "--columns", "none", "--threads", "1")
        status, sent = recorded(night, "score", "alerts", *options)
        text = assert_harmless(sent)
        assert status == 1, text
        assert "Traceback" not in text
        assert r"\x1b[31m\x1b]0;title\x07 \n\r\x08\x7f\x85\x9b1m \u202e" in text
        assert "9 errors in" in text, "each is told"
        assert max(map(len, text.splitlines())) < MESSAGE + 100
        status, sent = recorded(night, "evaluate", f"out{number}.csv", "--labels", "labels.csv", "--bootstrap", "10")
        assert "scores of out" in assert_harmless(sent)
        assert status == 0


def test_a_table_in_a_terminal_and_in_a_pipe(night):
    status, sent = recorded(night, "score", "alerts/good.avro", "-o", "-", "--threads", "1")
    assert status == 0
    assert "\\x1b[31m" in assert_harmless(sent)
    command = [sys.executable, "-m", "space2vec", "score", "alerts/good.avro", "-o", "-", "--threads", "1"]
    piped = subprocess.run(command, cwd=night, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    assert CODES.encode() in piped.stdout, "data stay as they are"


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", f"none{CODES}", "-o", "x.csv"),
        ("score", "alerts", "-o", f"x.csv{CODES}"),
        ("score", "alerts", "-o", "x.csv", f"--none{CODES}"),
        ("score", "alerts", "-o", "x.csv", "--strict"),
        ("score", "alerts/good.avro", "-o", "x.csv", "--columns", f"none{CODES}"),
        ("score", "alerts/good.avro", "-o", "x.csv", "--schema", f"1=none{CODES}"),
        ("score", "alerts/good.avro", "-o", "x.csv", "--model", "tensor.safetensors"),
        ("score", "alerts/good.avro", "-o", "x.csv", "--model", f"none{CODES}"),
        ("evaluate", f"none{CODES}", "--labels", "labels.csv"),
        (f"none{CODES}",),
    ],
    ids=["input", "output", "option", "strict", "columns", "schema", "tensor", "model", "scores", "command"],
)
def test_what_cannot_run_in_a_terminal(night, arguments):
    status, sent = recorded(night, *arguments)
    text = assert_harmless(sent)
    assert status == 2
    assert "Traceback" not in text
    assert "\\x1b" in text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_holds_such_ids(night, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    for _ in range(2):
        command = ["score", str(night / "alerts" / "good.avro"), "-o", str(out), "--threads", "1", "--resume"]
        assert main([*command, "--mosaic", str(tmp_path / "mosaic.png")]) == 0
    found = read_scores(out)
    assert found.candidate_id.tolist() == [10**17 + k for k in range(4)]
    whole = [CODES, FORMULA, HOSTILE["long"], HOSTILE["long codes"]]
    if suffix in (".parquet", ".csv"):
        assert found.object_id.tolist() == whole
    else:
        assert [len(text) >= len(own.strip()) for text, own in zip(found.object_id, whole, strict=True)] == [True] * 4


def test_a_long_id_costs_its_row_alone(tmp_path):
    n = 1000
    ids = [f"id{k}" for k in range(n - 1)] + ["n" * 1_000_000]
    columns = {"candidate_id": ids, "object_id": ids, "score": np.linspace(0, 1, n), "label": np.arange(n) % 2}
    pq.write_table(pa.table(columns), tmp_path / "scores.parquet")
    tracemalloc.start()
    try:
        place, problems = tmp_path / "scores.parquet", []
        found = s2v.evaluation.evaluate_files(place, place, bootstrap=2, problems=problems)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.real, found.groups) == (n // 2 - 1, n - 1)
    assert {(problem.row, problem.reason) for problem in problems} == {(n - 1, "too_large")}
    assert most < 100e6, "an array of fixed width has 4 GB"


def test_warnings_of_other_packages():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _print_own_warnings_in_one_line()
        warnings.warn("a card\x1b[31m\nof a header", UserWarning, stacklevel=1)
        warnings.warn("plain", UserWarning, stacklevel=1)
    assert [str(one.message) for one in caught] == ["a card\\x1b[31m\nof a header", "plain"]


def test_commands_print_through_one_module():
    import inspect

    for path in Path(inspect.getfile(printing)).parent.glob("*.py"):
        if path.name in ("printing.py", "output_places.py", "progress.py"):
            continue
        calls = [line for line in path.read_text().splitlines() if line.strip().startswith("print(")]
        assert calls in ([], ["        print(flush=True)"]), path.name
