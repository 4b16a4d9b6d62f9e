"""The pages of a report in a browser: what is seen, keys, filters, labels, and texts that mean harm.

Needs Chromium and its driver (on Debian or Ubuntu: chromium chromium-driver) and Selenium.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.stamps import CHANNELS
from space2vec.report import NightProblem, NightReport, write_report
from space2vec.report.review import LabelFile, ReviewServer

webdriver = pytest.importorskip("selenium.webdriver", reason="the pages need Selenium (pip install selenium)")
if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

HOSTILE = '<img src=x onerror="document.title=1">'
N = 300


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of simulated candidates; the last has an id that is markup, and the first has no template."""
    simulated = s2v.simulate(N, seed=6).stamps
    planes = [[simulated.plane(row, channel) for channel in CHANNELS] for row in range(N)]
    planes[0][1] = None
    ids = [f"c{row:03}" for row in range(N - 1)] + [HOSTILE]
    random = np.random.default_rng(1)
    stamps = s2v.Stamps(
        planes, candidate_id=ids, centre=simulated.centre,
        columns={
            "ra": random.uniform(359, 361, N) % 360, "dec": random.uniform(-1, 1, N),
            "magpsf": random.uniform(16, 20, N),
        },
    )  # fmt: skip
    scores = s2v.load("default").score(stamps)
    return write_report(stamps, scores, tmp_path_factory.mktemp("report") / "night", title=HOSTILE)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A Chromium without a window."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its driver (on Debian or Ubuntu: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    folder = tmp_path_factory.mktemp("downloads")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,950"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chromium.downloads = folder
    yield chromium
    chromium.quit()


@pytest.fixture
def page(browser: WebDriver, night: Path) -> Iterator[WebDriver]:
    """The report, opened anew and without labels; nothing that the console shows may be an error."""
    browser.get(night.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get(night.as_uri())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def text(page: WebDriver, name: str) -> str:
    """Return what the element of this id shows."""
    return str(page.find_element("id", name).text)


def wait(condition: Callable[[], Any]) -> Any:
    """Return what the condition returns once it is true; fail after ten seconds."""
    for _ in range(200):
        if value := condition():
            return value
        time.sleep(0.05)
    pytest.fail("what was waited for did not come")


def press(page: WebDriver, keys: str) -> None:
    """Press keys while the list has the focus."""
    page.find_element("id", "rows").send_keys(keys)


def set_filter(page: WebDriver, words: str, shown: str) -> None:
    """Write a filter and press Enter; check what the status says."""
    field = page.find_element("id", "filter")
    field.clear()
    field.send_keys(f"{words}\n")
    assert text(page, "status") == shown


def test_what_is_seen_first(page: WebDriver, night: Path) -> None:
    assert text(page, "title") == HOSTILE
    assert page.title == f"{HOSTILE}: space2vec report"
    assert f"{N} candidates" in text(page, "summary")
    scores = page.execute_script("return S2V.night.score")
    best = max(range(N), key=lambda row: scores[row])
    assert text(page, "name") == page.execute_script("return S2V.night.candidate")[best]
    assert "P(real)" in text(page, "verdict")
    wait(lambda: len(page.find_elements("css selector", "#planes canvas")) == 3)
    assert page.execute_script("return document.querySelectorAll('#rows [role=row]').length") < 80
    assert page.find_element("id", "sky").is_displayed()


def test_pixels_are_those_of_the_stamps(page: WebDriver) -> None:
    stamps = s2v.simulate(N, seed=6).stamps
    script = (
        "const done = arguments[2]; S2V.pixels.load(arguments[0]).then(({planes, centre}) => {"
        "const plane = planes[arguments[1]]; if (!plane) { done(null); return; }"
        "const {values} = S2V.pixels.scaleOf(plane, 'linear');"
        "done([plane.height, plane.width, centre, Array.from(plane.codes, (code) => values[code + 128])]); })"
    )
    for row in (0, 17, N - 1):
        for channel in range(3):
            found = page.execute_async_script(script, row, channel)
            if (row, channel) == (0, 1):
                assert found is None
                continue
            height, width, centre, values = found
            plane = stamps.plane(row, CHANNELS[channel])
            assert plane is not None
            assert (height, width) == plane.shape
            assert centre == stamps.centre[row].tolist()
            shown = np.array([np.nan if value is None else value for value in values]).reshape(plane.shape)
            assert (np.isnan(shown) == ~np.isfinite(plane)).all()
            known = np.isfinite(plane)
            median = np.median(plane[known])
            noise = 1.4826 * np.median(np.abs(plane[known] - median))
            assert (np.abs(shown - plane)[known] <= 0.135 * np.hypot(noise, plane - median)[known]).all()


def test_zscale_is_that_of_astropy(page: WebDriver) -> None:
    from astropy.visualization import ZScaleInterval

    random = np.random.default_rng(2)
    for values in (random.normal(0, 1, 900), np.r_[random.normal(5, 2, 950), random.uniform(50, 900, 50)]):
        ours = page.execute_script("return S2V.pixels.zscale(arguments[0].sort((a, b) => a - b))", values.tolist())
        np.testing.assert_allclose(ours, ZScaleInterval().get_limits(values), rtol=0.05, atol=0.15)


def test_keys_move_and_label(page: WebDriver) -> None:
    order = page.execute_script("return S2V.list.state.rows")
    ids = page.execute_script("return S2V.night.candidate")
    press(page, "jjk")
    assert text(page, "name") == ids[order[1]]
    press(page, "rbu")
    assert text(page, "name") == ids[order[4]]
    assert text(page, "labelled") == "1 real, 1 bogus, 1 unsure"
    press(page, "kx")
    assert text(page, "labelled") == "1 real, 1 bogus, 0 unsure"
    page.get(page.current_url)  # labels outlast the page
    assert text(page, "labelled") == "1 real, 1 bogus, 0 unsure"
    press(page, "G")  # a key without a meaning
    press(page, "m")
    wait(lambda: page.find_elements("css selector", ".tile canvas"))
    press(page, "?")
    assert page.find_element("id", "keys").is_displayed()


def test_the_last_labels_are_taken_back(page: WebDriver) -> None:
    order = page.execute_script("return S2V.list.state.rows")
    ids = page.execute_script("return S2V.night.candidate")
    press(page, "z")
    assert text(page, "status") == "there is no label to take back"
    press(page, "rkbjj")  # the first real, then bogus after all, then two further down
    set_filter(page, f"-{ids[order[0]]}", f"{N - 1} of {N} candidates")
    press(page, "z")
    assert text(page, "name") == ids[order[0]]
    assert text(page, "labelled") == "1 real, 0 bogus, 0 unsure"
    assert text(page, "status") == "the last label is taken back: real"
    page.find_element("id", "undo").click()
    assert text(page, "labelled") == "0 real, 0 bogus, 0 unsure"
    assert not page.find_elements("css selector", "button[data-label][aria-pressed=true]")


def test_labels_are_saved_and_loaded(page: WebDriver, tmp_path: Path) -> None:
    set_filter(page, "onerror", f"1 of {N} candidates")
    press(page, "r")
    set_filter(page, "candidate_id=c005", f"1 of {N} candidates")
    press(page, "b")
    page.find_element("id", "save").click()
    file: Path = page.downloads / "labels.csv"
    wait(file.exists)
    saved = file.read_text()
    file.unlink()
    assert saved == 'candidate_id,label\n"<img src=x onerror=""document.title=1"">",real\nc005,bogus\n'
    mine = tmp_path / "mine.csv"
    mine.write_text(saved.replace("c005,bogus", "c006,0\nc007,1\nc008,\nstrange,1"))
    page.find_element("id", "load").send_keys(str(mine))
    wait(lambda: "3 labels are loaded; 2 rows" in text(page, "status"))
    assert text(page, "labelled") == "2 real, 2 bogus, 0 unsure"


def test_filters(page: WebDriver) -> None:
    scores = page.execute_script("return S2V.night.score")
    magnitudes = page.execute_script("return S2V.night.columns.find((c) => c.name === 'magpsf').values")
    count = sum(
        score is not None and score > 0.5 and magnitude <= 18
        for score, magnitude in zip(scores, magnitudes, strict=True)
    )
    set_filter(page, "score>0.5 magpsf<=18", f"{count} of {N} candidates")
    set_filter(page, "flag:missing", f"1 of {N} candidates")
    set_filter(page, "-flag:missing", f"{N - 1} of {N} candidates")
    set_filter(page, "C00", f"10 of {N} candidates")
    set_filter(page, "nothing>1", "there is no column nothing")
    set_filter(page, "flag:nothing", "there is no flag nothing")
    set_filter(page, "magpsf<bright", "magpsf is compared with a number")
    set_filter(page, "label:none", f"{N} of {N} candidates")
    page.find_element("css selector", "svg .bin:last-of-type").click()
    wait(lambda: "score>=0.96" in page.find_element("id", "filter").get_attribute("value"))


def test_sorting(page: WebDriver) -> None:
    page.find_element("xpath", "//div[@id='rows']//button[text()='magpsf']").click()
    values = page.execute_script(
        "const m = S2V.night.columns.find((c) => c.name === 'magpsf').values;"
        "return S2V.list.state.rows.map((row) => m[row])"
    )
    assert values == sorted(values, reverse=True)


def test_blink_and_brightness(page: WebDriver) -> None:
    press(page, " ")
    wait(lambda: page.find_elements("css selector", "#planes.blinking canvas"))
    first = text(page, "planes")
    wait(lambda: text(page, "planes") != first)
    press(page, "3")
    assert page.execute_script("return S2V.stretch()") == "asinh"
    press(page, " ")
    wait(lambda: len(page.find_elements("css selector", "#planes canvas")) == 3)


def test_stamps_that_are_no_squares_keep_their_shape(browser: WebDriver, tmp_path: Path) -> None:
    """A stamp at the edge of a detector is as wide as others and less high."""
    pixels = np.random.default_rng(3).normal(size=(1, 3, 20, 60)).astype(np.float32)
    stamps = s2v.Stamps(pixels)
    browser.get(write_report(stamps, s2v.load("default").score(stamps), tmp_path / "night").as_uri())
    wait(lambda: len(browser.find_elements("css selector", "#planes canvas")) == 3)
    canvas = browser.find_element("css selector", "#planes canvas")
    assert canvas.get_property("width") == 3 * canvas.get_property("height")
    assert canvas.value_of_css_property("object-fit") == "contain"
    press(browser, "m")
    tile = wait(lambda: browser.find_elements("css selector", ".tile canvas"))[0]
    assert tile.value_of_css_property("object-fit") == "contain"


def test_numbers_have_the_digits_that_they_had(page: WebDriver) -> None:
    """A magnitude in single precision has seven, a date has those of its seconds."""
    numbers = [float(np.float32(16.0871391)), 2458312.69855, 184.6079563, 0.1 + 0.2, 12, 3e-7]
    shown = page.execute_script("return arguments[0].map(S2V.number)", numbers)
    assert shown == ["16.08714", "2458312.69855", "184.6079563", "0.3", "12", "3.0000e-7"]


@pytest.mark.parametrize("width", [900, 1100, 1500, 2400])
def test_stamps_and_labels_are_seen_at_any_width(page: WebDriver, width: int) -> None:
    page.set_window_size(width, 900)
    try:
        press(page, "j")
        wait(lambda: len(page.find_elements("css selector", "#planes canvas")) == 3)
        right = page.execute_script("return document.querySelector('.detail').getBoundingClientRect().right")
        for canvas in page.find_elements("css selector", "#planes canvas"):
            box = canvas.rect
            assert box["width"] >= 130
            assert abs(box["width"] - box["height"]) < 1
            assert box["x"] + box["width"] <= right
        bottom = page.execute_script("return document.querySelector('.detail').getBoundingClientRect().bottom")
        assert page.find_element("css selector", "button[data-label=real]").rect["y"] < bottom - 20
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.set_window_size(1500, 950)


def test_problems_are_listed_and_select_their_candidates(browser: WebDriver, tmp_path: Path) -> None:
    stamps = s2v.simulate(30, seed=6).stamps
    scores = s2v.load("default").score(stamps)
    with NightReport(tmp_path / "night") as report:
        wrong = [NightProblem(row, f"night/{HOSTILE}{row}", "truncated", HOSTILE) for row in range(25)]
        report.add(stamps, scores, wrong)
        page = report.finish()
    browser.get(page.as_uri())
    assert text(browser, "problemcount") == "25 truncated"
    buttons = browser.find_elements("css selector", "#problems button")
    assert len(buttons) == 21
    assert buttons[3].text.split("\n") == [f"{HOSTILE}3".rpartition("/")[2], "truncated"]
    set_filter(browser, "score>2", "0 of 30 candidates")
    buttons[3].click()
    assert text(browser, "name") == str(stamps.candidate_id[3])
    assert f"truncated: {HOSTILE} (night/{HOSTILE}3)" in text(browser, "facts")
    browser.find_elements("css selector", "#problems button")[-1].click()
    assert len(browser.find_elements("css selector", "#problems button")) == 25
    assert browser.title == "night: space2vec report"


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_contrast(page: WebDriver, dark: bool) -> None:
    """Every text stands out from its ground by 4.5 to 1, as WCAG AA asks."""
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", "dark" if dark else "light")
    colours = page.execute_script(
        "const style = getComputedStyle(document.documentElement); return Object.fromEntries("
        "['ground', 'panel', 'chosen', 'text', 'faint', 'real', 'bogus', 'unsure', 'accent']"
        ".map((name) => [name, style.getPropertyValue('--' + name).trim()]))"
    )

    def brightness(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def contrast(one: str, other: str) -> float:
        low, high = sorted((brightness(colours[one]), brightness(colours[other])))
        return (high + 0.05) / (low + 0.05)

    pairs = [(ink, ground) for ink in ("text", "real", "bogus", "unsure") for ground in ("ground", "chosen")]
    pairs += [("faint", "ground"), ("faint", "panel"), ("text", "panel"), ("ground", "accent")]
    assert {pair: round(contrast(*pair), 2) for pair in pairs if contrast(*pair) < 4.5} == {}


def test_everything_has_a_name(page: WebDriver) -> None:
    """Every control and picture has a name that a screen reader can say."""
    nameless = page.execute_script(
        "return [...document.querySelectorAll('button, input, canvas, [role=button], [role=grid]')].filter((node) => "
        "!(node.textContent.trim() || node.getAttribute('aria-label') || node.closest('label')?.textContent.trim()))"
        ".map((node) => node.outerHTML)"
    )
    assert nameless == []


def test_review_asks_and_writes(browser: WebDriver, tmp_path: Path) -> None:
    stamps = s2v.simulate(8, seed=2).stamps
    ids = [str(value) for value in stamps.candidate_id]
    with NightReport(tmp_path / "night") as report:
        report.add(stamps, s2v.load("default").score(stamps))
        report.finish(suggested=[3, 5, 1], labels={ids[5]: "bogus"})
    labels = LabelFile(tmp_path / "labels.csv", {ids[5]: "bogus"})
    with ReviewServer(tmp_path / "night", labels, frozenset(ids)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            browser.get(server.address)
            assert text(browser, "labelled") == "0 real, 1 bogus, 0 unsure; 1 of the 3 most useful"
            press(browser, "n")
            assert text(browser, "name") == ids[3]
            press(browser, "r")
            assert text(browser, "name") == ids[1]  # 5 has a label already
            wait(lambda: labels.labels == {ids[5]: "bogus", ids[3]: "real"})
            labels.path.write_text("candidate_id,label\n")  # as another program may
            press(browser, "u")
            wait(lambda: "is not written" in text(browser, "status"))
            assert text(browser, "labelled") == "1 real, 1 bogus, 0 unsure; 2 of the 3 most useful"
        finally:
            server.shutdown()
            thread.join()
    browser.get_log("browser")  # the refused label is an error there


@pytest.fixture(scope="module")
def night_with_kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with look-alikes and kinds, one of them with a name that is markup and holds quotes."""
    stamps = s2v.simulate(60, seed=6).stamps
    stamps.candidate_id = np.array([f"c{row:02}" for row in range(60)], dtype=object)
    rows = (np.arange(60)[:, None] + np.arange(1, 6)) % 60
    rows[3] = -1
    kinds = np.array(["outlier"] * 20 + ["kind-1"] * 35 + [HOSTILE] * 4 + [None], dtype=object)
    likeness = np.tile(np.float32([0.99, 0.9, 0.8, 0.5, -0.25]), (60, 1))
    with NightReport(tmp_path_factory.mktemp("report") / "night") as report:
        report.add(stamps, s2v.load("default").score(stamps))
        return report.finish(alike=(rows, likeness), columns={"kind": kinds, "novelty": np.linspace(0, 1, 60)})


def test_look_alikes_and_kinds(browser: WebDriver, night_with_kinds: Path) -> None:
    page = browser
    page.get(night_with_kinds.as_uri())
    page.execute_script("localStorage.clear()")
    page.get(night_with_kinds.as_uri())
    set_filter(page, "c10", "1 of 60 candidates")
    items = wait(lambda: page.find_elements("css selector", "#alike button"))
    assert [item.get_attribute("title").partition(":")[0] for item in items] == ["c11", "c12", "c13", "c14", "c15"]
    assert "likeness 0.990" in items[0].get_attribute("aria-label")
    assert "likeness -0.250" in items[4].get_attribute("aria-label")
    drawn = "return [...document.querySelectorAll('#alike canvas')].filter((c) => c.width !== 300).length"
    wait(lambda: page.execute_script(drawn) == 15)
    items[2].click()  # the filter hides that candidate, and is cleared
    assert text(page, "name") == "c13"
    assert text(page, "status") == "60 of 60 candidates"
    press(page, "r")
    set_filter(page, "c12", "1 of 60 candidates")
    items = wait(lambda: page.find_elements("css selector", "#alike button"))
    assert "labelled real" in items[0].get_attribute("aria-label")
    set_filter(page, "c03", "1 of 60 candidates")
    wait(lambda: page.find_element("id", "alikenone").is_displayed())
    set_filter(page, "", "60 of 60 candidates")
    listed = [item.text.split("\n") for item in page.find_elements("css selector", "#kinds button")]
    assert listed == [["outlier", "20"], [HOSTILE, "4"], ["kind-1", "35"]]
    for name, shown in ((HOSTILE, 4), ("kind-1", 35), ("outlier", 20)):
        set_filter(page, "", "60 of 60 candidates")
        next(item for item in page.find_elements("css selector", "#kinds button") if item.text.startswith(name)).click()
        assert text(page, "status") == f"{shown} of 60 candidates"
    set_filter(page, "kind:none", "1 of 60 candidates")
    set_filter(page, "novelty>0.5", "30 of 60 candidates")
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_night_without_vectors_shows_no_look_alikes(page: WebDriver) -> None:
    assert not page.find_element("id", "alikebox").is_displayed()
    assert not page.find_element("id", "kindbox").is_displayed()
