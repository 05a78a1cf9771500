"""The report's page in a real browser, opened from disk as a person would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import fits, needs_browser, opened_browser

from realfake.composing.composition import compose
from realfake.config import EvaluateConfig
from realfake.evaluation.evaluating import evaluate_run
from realfake.reports.leaderboard import make_report

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with opened_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(browser: Any, sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The browser on the page of the sweep; what a test changes in it stays changed."""
    report = make_report(sweep, tmp_path_factory.mktemp("page with a space & more"))
    browser.get(report.page.as_uri())
    return browser


def column(page: Any, table: str, title: str) -> list[str]:
    """The texts of a column, from top to bottom."""
    return page.execute_script(
        """const table = document.querySelector(arguments[0] + " table");
        const at = [...table.tHead.rows[0].cells].findIndex((c) => c.textContent.trim() === arguments[1]);
        return [...table.tBodies].map((b) => b.rows[0].cells[at].textContent.trim());""",
        table,
        title,
    )


def heading(page: Any, title: str) -> Any:
    return page.find_element("xpath", f"//section[@id='leaderboard']//th/button[normalize-space()='{title}']")


def count(page: Any, selector: str) -> int:
    return len(page.find_elements("css selector", selector))


def choose(page: Any, selector: str, value: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(page.find_element("css selector", selector)).select_by_value(value)


def test_it_opens_without_an_error_and_fits_the_window(page: Any) -> None:
    assert page.title == "demo – report"
    assert page.get_log("browser") == []
    width, window = page.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= window


def test_a_click_sorts_and_what_has_no_value_stays_last(page: Any) -> None:
    heading(page, "joint acc.").click()
    values = column(page, "#leaderboard", "joint acc.")
    assert values[:24] == sorted(values[:24], reverse=True)
    assert set(values[24:]) == {"–"}
    heading(page, "joint acc.").click()
    values = column(page, "#leaderboard", "joint acc.")
    assert values[:24] == sorted(values[:24])
    assert set(values[24:]) == {"–"}
    assert heading(page, "joint acc.").find_element("xpath", "..").get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_too(page: Any) -> None:
    heading(page, "approach").send_keys("\n")
    values = column(page, "#leaderboard", "approach")
    assert values[:-1] == sorted(values[:-1])
    assert values[-1] == "–"
    heading(page, "#").send_keys("\n")
    assert column(page, "#leaderboard", "#") == [str(n) for n in range(1, 31)]


def test_a_row_opens_and_shows_its_command(page: Any) -> None:
    body = page.find_element("css selector", "#leaderboard tbody")
    command = body.find_element("css selector", ".command")
    assert not command.is_displayed()
    body.find_element("css selector", ".more").click()
    assert command.is_displayed()
    assert command.text.startswith("realfake train approach=temporal")


def test_every_override_has_a_plot_and_every_run_a_dot(page: Any) -> None:
    captions = [f.text for f in page.find_elements("css selector", "#effects figcaption")]
    assert captions == ["approach", "loss_mix", "seed", "split.fold"]
    assert count(page, "#effects circle") == 4 * 24
    positions = {c.get_attribute("cy") for c in page.find_elements("css selector", "#effects circle")}
    assert len(positions) > 10
    choose(page, "#effect-metric", "test/clip/authenticity_auroc")
    assert {c.get_attribute("cy") for c in page.find_elements("css selector", "#effects circle")} != positions


def test_learning_curves_follow_the_ticked_runs(page: Any) -> None:
    assert count(page, "#curve-plot polyline") == 26, "those that completed, one that is running, and one damaged"
    assert count(page, "#curve-plot polyline:not(.other)") == 8
    page.find_element("css selector", "#leaderboard tbody input").click()
    assert count(page, "#curve-plot polyline:not(.other)") == 7
    page.find_element("css selector", "[data-select=all]").click()
    choose(page, "#curves .colour-by", "approach")
    assert count(page, "#curve-plot polyline:not(.other)") == 26
    colours = {c.get_attribute("stroke") for c in page.find_elements("css selector", "#curve-plot polyline")}
    assert len(colours) == 3
    assert [s.text for s in page.find_elements("css selector", "#curves .legend span")] == [
        "approach=multi_task", "approach=single_task", "approach=temporal",
    ]  # fmt: skip


def test_confusions_are_those_of_the_chosen_run_or_group(page: Any) -> None:
    choose(page, "#confusion-cells", "counts")
    assert count(page, "#confusion-tables table") == 3

    def total() -> int:
        cells = page.find_elements("css selector", "#confusion-tables table:last-of-type td[title]")
        texts = [c.get_attribute("textContent") for c in cells]
        assert len(texts) == 144 + 36 + 4
        return sum(int(t) for t in texts if t != "·")

    assert total() == 3 * 120
    last = page.find_elements("css selector", "#confusion-run option")[-1]
    assert last.text.endswith("4 runs together")
    last.click()
    assert total() == 3 * 480


def test_failures_show_their_last_lines(page: Any) -> None:
    first = page.find_element("css selector", "#failures details")
    assert "out of <memory>" in first.text
    assert first.find_element("css selector", "pre").text.endswith("line 39")


def test_a_narrow_window_scrolls_tables_not_the_page(page: Any) -> None:
    assert fits(page, 500)
    assert fits(page, 1400)


def test_evil_names_run_nothing(browser: Any, tmp_path: Path) -> None:
    from fake_runs import fake_config, write_run

    evil = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    for name in ("a", "b"):
        overrides = [f"loss_mix={name}{evil}"]
        write_run(tmp_path / f"{name}<b>", overrides, fake_config(loss_mix=name), experiment=evil)
    write_run(tmp_path / "c", [f"loss_mix={evil}"], fake_config(loss_mix="c"), status="failed", error=evil)
    browser.get(make_report(tmp_path).page.as_uri())
    assert browser.title.endswith("– report")
    assert count(browser, "img") == 0
    assert browser.get_log("browser") == []
    assert column(browser, "#leaderboard", "loss_mix")[-1] == evil
    assert fits(browser, 500)


def test_figures_are_seen_on_a_telephone_and_the_run_stays_beside_them(page: Any, sweep: Path, tmp_path: Path) -> None:
    page.get(make_report(sweep, tmp_path).page.as_uri())
    assert fits(page, 500)
    row = page.find_element("css selector", "#leaderboard tbody tr")
    name, figure = row.find_element("css selector", "th"), row.find_element("css selector", "th + td")
    assert name.rect["x"] + name.rect["width"] <= figure.rect["x"]
    assert figure.rect["x"] + figure.rect["width"] <= 500
    page.execute_script("document.querySelector('#leaderboard .scroll').scrollLeft = 5000")
    assert 0 <= page.execute_script("return arguments[0].getBoundingClientRect().left", name) < 60


def test_the_page_of_a_run_opens_without_an_error(browser: Any, trained: Callable[..., Path], tmp_path: Path) -> None:
    run = trained("approach=multi_task")
    words = [f"run={run}", "resamples=100", "plots=false", f"out={tmp_path}"]
    folder = evaluate_run(compose("evaluate", words, EvaluateConfig))
    for path in (run / "index.html", folder / "evaluation.html"):
        browser.get(path.as_uri())
        assert browser.get_log("browser") == []
        assert count(browser, "#confusions table") == 3
        examples = count(browser, ".cards article")
        assert count(browser, ".cards .course figure polyline") >= examples > 0
        assert count(browser, ".cards .faces img") >= examples
        assert fits(browser, 500)
        assert fits(browser, 1280)
    browser.get((run / "index.html").as_uri())
    assert count(browser, "#learning-plots polyline") >= 4
