"""The quick start's /docs in a real browser.

FastAPI's page loads Swagger UI from a CDN. Here the same page takes it from a
package, so that the test needs no network.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart"
ASSETS = find_spec("swagger_ui").submodule_search_locations[0] + "/static"

APP = f"""
import sys
sys.path.insert(0, {str(QUICKSTART)!r})
from app import app
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.staticfiles import StaticFiles

app.mount("/assets", StaticFiles(directory={ASSETS!r}))

@app.get("/local-docs", include_in_schema=False)
def docs():
    return get_swagger_ui_html(
        openapi_url="/openapi.json", title="docs",
        swagger_js_url="/assets/swagger-ui-bundle.js",
        swagger_css_url="/assets/swagger-ui.css",
    )
"""


@pytest.fixture
def browser(tmp_path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1200,1600",
        f"--user-data-dir={tmp_path}/profile",
    ):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(
        options=options,
        service=webdriver.ChromeService(shutil.which("chromedriver")),
    )
    yield driver
    driver.quit()


@pytest.mark.slow
def test_docs_list_and_try_the_native_routes(inlay_run, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    (tmp_path / "browsed.py").write_text(APP)
    server = inlay_run("browsed:app")
    browser.get(f"{server.url}/local-docs")
    wait = WebDriverWait(browser, 20)

    def find(css):
        return wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, css))

    find(".opblock")
    paths = [
        element.get_attribute("data-path")
        for element in browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-path")
    ]
    for path in ("/sum-squares", "/sum-squares-c", "/sum-squares-py"):
        assert path in paths
    block = find("[id*='sum_squares_route']")[0]
    block.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    find(".try-out__btn")[0].click()
    find(".execute")[0].click()
    wait.until(lambda _: "125" in block.text)
    browser.save_screenshot(str(tmp_path / "docs.png"))
