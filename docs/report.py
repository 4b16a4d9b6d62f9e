"""Draw docs/report.png: the report of a simulated night in Chromium (needs Selenium, Chromium and its driver).

python docs/report.py
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from selenium import webdriver

from space2vec.cli import main

PICTURE = Path(__file__).with_name("report.png")


def draw() -> None:
    """Simulate the night of ``make demo``, write its report, and take a picture of it."""
    with tempfile.TemporaryDirectory() as folder:
        night = Path(folder) / "alerts"
        assert main(["simulate", "-n", "2000", "-o", str(night)]) == 0
        page = Path(folder) / "report" / "index.html"
        columns = "ra,dec,jd,fid,magpsf,sigmapsf,diffmaglim,distnr"
        report = ["report", str(night), "-o", str(page.parent), "--title", "A simulated night", "--columns", columns]
        assert main(report) == 0
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1400,1100"):
            options.add_argument(argument)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            browser.get(page.as_uri())
            browser.find_element("id", "rows").send_keys("jjrmjjj")
            time.sleep(2)  # for the stamps, which are loaded one file after another
            browser.save_screenshot(str(PICTURE))
        finally:
            browser.quit()


if __name__ == "__main__":
    draw()
