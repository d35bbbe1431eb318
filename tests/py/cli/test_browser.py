"""Documents in a real browser: the quick start's, and the page of a server alone.

FastAPI's page loads Swagger UI from a CDN. Here the same page takes it from a
package, so that the test needs no network. Nothing but this host has a name.
"""

from __future__ import annotations

import json
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
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--window-size=1200,1600",
        f"--user-data-dir={tmp_path}/profile",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
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


# --- Alone --------------------------------------------------------------------

EVIL = "<img src=x onerror=document.title=1><script>document.title=2</script>"
ALONE = f"""
    #include <inlay.h>

    INLAY_OPTIONAL(maybe_int, int64_t);
    INLAY_OPTIONAL(maybe_upload, inlay_upload);
    INLAY_SLICE(ints, const int64_t);
    INLAY_OPTIONAL(maybe_ints, ints);
    enum color {{ red, green }};
    struct user {{ int64_t id; inlay_str name; enum color color; maybe_int age; }};
    struct told {{ int64_t id; int64_t sum; inlay_str word; enum color color; }};

    /// {EVIL}
    struct told get_told(int64_t id, ints n, inlay_str word, enum color color)
    {{
        int64_t sum = 0;

        for (size_t i = 0; i < n.len; i++)
            sum += n.ptr[i];
        return (struct told){{id, sum, word, color}};
    }}
    INLAY_GET("/told/{{id}}", get_told);
    INLAY_HEADER(get_told, word, "X-Word");
    INLAY_TAG(get_told, "{EVIL}");
    INLAY_SUMMARY(get_told, "{EVIL}");
    INLAY_ANSWERS(get_told, 404, "{EVIL}");
    INLAY_DEPRECATED(get_told);

    struct user add_user(struct user user) {{ return user; }}
    INLAY_POST("/users", add_user);

    struct user put_form(struct user user) {{ return user; }}
    INLAY_PUT("/form", put_form);
    INLAY_FORM(put_form, user);

    struct sent {{ inlay_str name; int64_t numbers; int64_t id; }};
    struct key {{ int64_t id; }};
    struct sent send_file(struct key key, maybe_upload file, inlay_str note,
                          maybe_ints n)
    {{
        return (struct sent){{file.has ? file.value.name : note,
                             n.has ? (int64_t)n.value.len : -1, key.id}};
    }}
    INLAY_POST("/file", send_file);
    INLAY_FORM(send_file, key);
    INLAY_FORM(send_file, file);
    INLAY_FORM(send_file, note);
    INLAY_FORM(send_file, n);

    inlay_str crumb(inlay_str taste) {{ return taste; }}
    INLAY_GET("/crumb", crumb);
    INLAY_COOKIE(crumb, taste, 0);

    inlay_str evil(void) {{ return INLAY_STR("{EVIL}"); }}
    INLAY_GET("/<script>document.title=3</script>", evil);

    inlay_bytes echo(inlay_bytes body) {{ return body; }}
    INLAY_POST("/echo", echo);
"""


class Page:
    """The page in the browser; an operation is open once it is asked for."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get(url)
        self.wait(lambda: self.all("main details"))

    def all(self, css, within=None):
        from selenium.webdriver.common.by import By

        return (within or self.browser).find_elements(By.CSS_SELECTOR, css)

    def wait(self, what):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 20).until(lambda _: what())

    def operation(self, method, path):
        """Unfolded."""
        for each in self.all("main details"):
            head = [part.text for part in self.all(".method, .path", each)]
            if head == [method, path]:
                if not each.get_attribute("open"):
                    self.all("summary", each)[0].click()
                return each
        raise AssertionError(f"no {method} {path}")

    def fill(self, block, **values):
        for name, value in values.items():
            label = name.replace("_", "-")
            (field,) = self.all(f"[aria-label='{label}']", block)
            if field.tag_name in ("input", "textarea") and (
                field.get_attribute("type") != "file"
            ):
                field.clear()
            field.send_keys(value)

    def send(self, block):
        """Status and body of the answer that is shown."""
        (output,) = self.all("[aria-live]", block)
        self.all("button", block)[0].click()
        status = self.wait(lambda: self.all("h3", output))[0].text
        return status, self.all("pre", output)[1].text


@pytest.mark.slow
def test_page_of_a_server_alone(inlay_run, browser, tmp_path):
    (tmp_path / "page.c").write_text(ALONE)
    (tmp_path / "sent.txt").write_text("sent")
    server = inlay_run("page.c")
    page = Page(browser, f"{server.url}/docs")
    title = browser.title
    assert title == page.all("h1")[0].text == "page"
    heads = [
        " ".join(part.text for part in page.all(".method, .path", each))
        for each in page.all("main details")
    ]
    assert [head for head in heads if head] == [
        "GET /told/{id}",
        "POST /users",
        "PUT /form",
        "POST /file",
        "GET /crumb",
        "GET /<script>document.title=3</script>",
        "POST /echo",
    ]
    assert [each.text for each in page.all("h2")] == [EVIL, "Operations", "Schemas"]
    names = [each.text for each in page.all("main > details > summary > code")]
    assert {"told", "user", "color", "Body_send_file_file_post"} <= set(names)

    told = page.operation("GET", "/told/{id}")
    assert "deprecated" in told.get_attribute("class") and told.text.count(EVIL) == 3
    page.fill(told, id="7", n="1, 2,3", X_Word="hello", color="green")
    status, body = page.send(told)
    assert status == "200 OK"
    assert json.loads(body) == {"id": 7, "sum": 6, "word": "hello", "color": "green"}
    page.fill(told, id="x")
    status, body = page.send(told)
    assert status.startswith("422") and "int_parsing" in body

    user = page.operation("POST", "/users")
    status, body = page.send(user)  # as the example has it
    assert status == "200 OK" and '"color": "red"' in body
    page.fill(user, Body='{"id": 1}')
    assert page.send(user)[0].startswith("422")

    form = page.operation("PUT", "/form")
    page.fill(form, id="5", name="a, b", color="green")
    status, body = page.send(form)
    assert status == "200 OK" and '"name": "a, b"' in body and '"age": null' in body

    files = page.operation("POST", "/file")
    page.fill(files, id="4", note="no file", n="1,2")
    status, body = page.send(files)
    assert json.loads(body) == {"name": "no file", "numbers": 2, "id": 4}
    page.fill(files, file=str(tmp_path / "sent.txt"), n="")
    status, body = page.send(files)
    assert json.loads(body) == {"name": "sent.txt", "numbers": -1, "id": 4}

    crumb = page.operation("GET", "/crumb")
    page.fill(crumb, taste="sweet")
    assert page.send(crumb) == ("200 OK", '"sweet"')
    evil = page.operation("GET", "/<script>document.title=3</script>")
    assert page.send(evil) == ("200 OK", f'"{EVIL}"')
    echo = page.operation("POST", "/echo")
    page.fill(echo, Body="any text")
    assert page.send(echo) == ("200 OK", "any text")

    assert browser.title == title
    said = [each["message"] for each in browser.get_log("browser")]
    assert [each for each in said if " 422 " not in each] == []
    browser.save_screenshot(str(tmp_path / "alone.png"))


@pytest.mark.slow
def test_page_below_a_root_path(inlay_run, browser, tmp_path):
    (tmp_path / "page.c").write_text(ALONE)
    server = inlay_run("page.c", "--root-path", "/api")
    page = Page(browser, f"{server.url}/api/docs")
    crumb = page.operation("GET", "/crumb")
    page.fill(crumb, taste="sour")
    assert page.send(crumb) == ("200 OK", '"sour"')
