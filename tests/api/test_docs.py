"""/docs in a real Chromium: every call is shown and can be sent, and no other host is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((one for one in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(one).exists()), None)


def test_the_page_names_no_other_host_and_may_ask_none(served: Any) -> None:
    page = served.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "/sdapi/v1/txt2img" in served.client.get("/openapi.json").json()["paths"]


@pytest.mark.browser
def test_every_call_is_shown_and_can_be_sent(served: Any) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("There is no Chromium.")
    described = served.client.get("/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path}" for path, one in described.items() for method in one}
    base, said = str(served.client.base_url), []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: said.append(str(one)))
        page.on("request", lambda one: None if one.url.startswith(base) else said.append(one.url))
        page.goto(f"{base}/docs")
        page.wait_for_selector("details")
        shown = page.eval_on_selector_all("summary", "all => all.map(one => [...one.children].map(e => e.textContent))")
        assert {" ".join(one) for one in shown} == calls
        call = page.locator("details", has_text="/sdapi/v1/txt2img")
        call.locator("summary").click()
        assert "steps" in call.locator("table").inner_text()
        call.locator("textarea").fill('{"steps": 151}')
        call.locator("button").click()
        call.locator("pre", has_text="422").wait_for()
        assert "1 to 150" in call.locator("pre").inner_text()
        browser.close()
    assert [one for one in said if "status of 422" not in one] == []
