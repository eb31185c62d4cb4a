"""The page in a browser: headless Chromium, without a network."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re

import pytest
from playwright.sync_api import expect

from chromium import chromium, needs_chromium
from reorder_kit.reports.page import Page, Section
from reorder_kit.reports.playback import Player, Step, Track
from reorder_kit.reports.write import page_of

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def files(trained, study_folder, host, tmp_path_factory):
    """The pages of a run and of a study."""
    home = tmp_path_factory.mktemp("pages")
    return {
        name: page_of(folder, host).write(home / name)[0]
        for name, folder in (("run", trained), ("study", study_folder))
    }


@pytest.fixture
def visit(browser):
    """Open a file without a network; any console message or outside request fails."""
    with contextlib.ExitStack() as after:

        def visit(file, stopped_clock=False, **look):
            context = browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}, **look})
            after.callback(context.close)
            page = context.new_page()
            if stopped_clock:
                page.clock.install(time=0)
                page.clock.pause_at(60_000)
            said, asked = [], []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(file.as_uri())
            after.callback(lambda: _check(said, asked, file))
            return page

        yield visit


def _check(said, asked, file):
    assert said == []
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {file.as_uri()}


@pytest.mark.parametrize(
    ("name", "scheme", "width"), list(itertools.product(("run", "study"), ("light", "dark"), (390, 1280)))
)
def test_it_fits_every_screen(visit, files, name, scheme, width):
    page = visit(files[name], color_scheme=scheme, viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wider = "each => each.getBoundingClientRect().right > innerWidth + 0.5"
    assert page.evaluate(f"[...document.querySelectorAll('main > section > *, figure')].filter({wider}).length") == 0


def test_dark_is_dark_and_letters_can_be_read_in_both(visit, files):
    luminance = {}
    for scheme in ("light", "dark"):
        page = visit(files["study"], color_scheme=scheme)
        # Backgrounds are found through transparent elements; the ratio is that of WCAG 2.
        contrasts = page.evaluate(
            """() => {
              const channels = (text) => text.match(/[\\d.]+/g).map(Number);
              const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
                .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
                .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
              const behind = (element) => {
                for (let each = element; each; each = each.parentElement) {
                  const color = channels(getComputedStyle(each).backgroundColor);
                  if (color.length === 3 || color[3] > 0) return light(color);
                }
                return 1;
              };
              const told = "h1, h2, h3, p, li > span, td, th, dt, dd, caption, button, a, label, legend, summary";
              const texts = [...document.querySelectorAll(told)].filter((each) => each.textContent.trim()
                && each.offsetParent && !each.closest(".hidden, .skip"));
              return [behind(document.body), texts.map((each) => {
                const pair = [light(channels(getComputedStyle(each).color)), behind(each)].sort((a, b) => b - a);
                return [(pair[0] + 0.05) / (pair[1] + 0.05), each.textContent.trim().slice(0, 30)];
              })];
            }"""
        )
        luminance[scheme], ratios = contrasts
        assert len(ratios) > 100
        assert [each for each in ratios if each[0] < 4.5] == []
    assert luminance["dark"] < 0.05 < 0.8 < luminance["light"]
    assert page.evaluate("getComputedStyle(document.querySelector('.plot text')).fill") != "rgb(27, 27, 36)"


def orders(page):
    return page.locator(".path").get_attribute("data-order")


def nodes(page):
    """The position of each slot's node: across and down."""
    transforms = page.evaluate(
        "[...document.querySelectorAll('.path g > g')].map((node) => node.getAttribute('transform'))"
    )
    return [tuple(map(float, re.findall(r"[\d.]+", transform))) for transform in transforms]


def centres(order):
    return [(50.0 + 100 * (patch % 4), 50.0 + 100 * (patch // 4)) for patch in order]


def test_the_slider_moves_the_path(visit, files):
    page = visit(files["run"], reduced_motion="reduce")
    data = json.loads(page.locator("script.orders").text_content())
    steps = data["tracks"][0]["steps"]
    assert orders(page) == " ".join(map(str, steps[-1]["order"]))
    assert nodes(page) == centres(steps[-1]["order"])
    slider = page.locator("input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    assert orders(page) == " ".join(map(str, steps[0]["order"]))
    assert nodes(page) == centres(steps[0]["order"]) != centres(steps[-1]["order"])
    assert page.locator(".epoch output").text_content() == "0"
    assert page.locator(".status").text_content() == "the starting order"
    assert slider.get_attribute("aria-valuetext") == "epoch 0: the starting order"
    page.keyboard.press("ArrowRight")
    assert page.locator(".epoch output").text_content() == "1"
    page.keyboard.press("End")
    assert nodes(page) == centres(steps[-1]["order"])


def test_the_sequence_shows_the_patches_in_their_order(visit, files):
    page = visit(files["run"], reduced_motion="reduce")
    order = list(map(int, orders(page).split()))
    positions = page.evaluate("[...document.querySelectorAll('.strip i')].map((tile) => tile.style.backgroundPosition)")
    places = [tuple(float(share.rstrip("%")) for share in position.split()) for position in positions]
    assert [across for across, _ in places] == pytest.approx([100 * (patch % 4) / 3 for patch in order], abs=0.01)
    assert [down for _, down in places] == pytest.approx([100 * (patch // 4) / 3 for patch in order], abs=0.01)
    # With a causal window of two blocks, the last five are read.
    assert (
        page.evaluate("[...document.querySelectorAll('.strip li')].map((each) => each.className)")
        == ["pale"] * 11 + [""] * 5
    )


def test_it_plays_to_the_end_and_pauses(visit, files):
    page = visit(files["run"], stopped_clock=True)
    play, epoch = page.locator(".play"), page.locator(".epoch output")
    play.click()
    assert (play.text_content(), play.get_attribute("aria-pressed")) == ("Pause", "true")
    assert epoch.text_content() == "0"
    page.clock.run_for(1000)
    assert epoch.text_content() == "2"
    play.press("Enter")
    assert (play.text_content(), play.get_attribute("aria-pressed")) == ("Play", "false")
    page.clock.run_for(1000)
    assert epoch.text_content() == "2"
    play.press("Space")
    page.clock.run_for(10_000)
    assert (play.text_content(), epoch.text_content()) == ("Play", "6")


def test_the_path_moves_smoothly_to_its_place(visit, files):
    page = visit(files["run"], stopped_clock=True)
    final = nodes(page)
    page.locator("input[type=range]").press("Home")
    page.clock.run_for(100)
    between = nodes(page)
    page.clock.run_for(1000)
    start = nodes(page)
    assert final != start
    moved = [
        (each, middle, end)
        for node in zip(final, between, start, strict=True)
        for each, middle, end in zip(*node, strict=True)
    ]
    assert all(each < middle < end or each > middle > end or each == end for each, middle, end in moved)


def test_another_run_and_another_image_can_be_chosen(visit, files):
    page = visit(files["study"], reduced_motion="reduce")
    local = page.locator(".path .pale").count()
    page.locator(".tracks").select_option(index=1)
    assert local > 0 == page.locator(".path .pale").count()
    before = page.locator(".path image").get_attribute("href")
    page.locator(".pictures label").nth(2).click()
    assert before != page.locator(".path image").get_attribute("href")
    assert "test image" in page.locator(".path").get_attribute("aria-label")


def column(page, table, key):
    return page.evaluate(
        """([place, key]) => {
          const table = document.querySelectorAll("table")[place];
          const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.dataset.key === key);
          return [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.value);
        }""",
        [table, key],
    )


def test_a_table_sorts_by_size_and_by_name(visit, files):
    page = visit(files["study"])
    heading = page.locator("table").first.locator("th[data-key=test_top1]")
    values = sorted(map(float, column(page, 0, "test_top1")))
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert list(map(float, column(page, 0, "test_top1"))) == values[::-1]
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert list(map(float, column(page, 0, "test_top1"))) == values
    page.locator("table").first.locator("th[data-key=start] button").click()
    assert heading.get_attribute("aria-sort") is None
    assert column(page, 0, "start") == sorted(column(page, 0, "start"))


def test_empty_cells_are_last_either_way(visit, files):
    page = visit(files["study"])
    button = page.locator("table").nth(1).locator("th[data-key=effect_size] button")
    for _ in range(2):
        button.click()
        assert column(page, 1, "effect_size") == ["1.5"] * 6 + [""] * 2


def test_a_table_is_saved_as_its_csv(visit, files):
    page = visit(files["study"])
    with page.expect_download() as saved:
        page.locator("[data-csv='rows.csv']").click()
    assert saved.value.suggested_filename == "rows.csv"
    beside = (files["study"].parent / "rows.csv").read_text()
    own = saved.value.path().read_text()
    assert list(csv.reader(io.StringIO(own))) == list(csv.reader(io.StringIO(beside)))


def test_values_are_told_under_the_pointer_and_by_the_keyboard(visit, files):
    page = visit(files["run"], reduced_motion="reduce")  # otherwise smooth scrolling moves it from under the pointer
    drawing = page.locator("#curves-validation .drawing")
    hover = json.loads(drawing.get_attribute("data-hover"))
    drawing.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expected = "\n".join(["epoch 2", *(f"{line['name']}: {line['values'][1]:g}" for line in hover["lines"])])
    assert page.locator(".tip").text_content() == expected
    page.keyboard.press("Escape")
    assert not page.locator(".tip").is_visible()
    box = drawing.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
    assert page.locator(".tip").text_content().startswith("epoch 6\n")
    mark = page.locator("#intervals [data-tip]").first
    mark.hover()
    assert page.locator(".tip").text_content() == mark.get_attribute("data-tip")


def test_commands_are_copied(visit, files):
    page = visit(files["study"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".copy").first.click()
    expect(page.locator(".copy").first).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "reorder-kit study studies/example.yaml\nreorder-kit report studies/example"


def test_hostile_text_does_nothing(visit, tmp_path, hostile):
    tracks = [Track(label, (1, 2), [Step(0, [1, 0], hostile)], {}, [], hostile) for label in (hostile, "other")]
    file = tmp_path / "report.html"
    file.write_text(Page(hostile, "run", [], [hostile], [], [Section("s", "s", "", [Player(tracks, "c")])]).html())
    page = visit(file)
    assert page.title().startswith("<script>")
    assert page.locator("option").first.text_content() == hostile
    assert page.locator(".status").text_content() == hostile


def test_an_order_with_fewer_slots_has_fewer_nodes(visit, tmp_path):
    full, half = list(range(16)), [5, 10, 0]
    reached = {16: [False] * 15 + [True], 3: [False, True, True]}
    track = Track("a", (4, 4), [Step(0, full, "start"), Step(1, half, "end")], reached, [], "")
    file = tmp_path / "report.html"
    file.write_text(Page("t", "run", [], ["v"], [], [Section("s", "s", "", [Player([track], "c")])]).html())
    page = visit(file, reduced_motion="reduce")
    for step, order, pale in ((1, half, 1), (0, full, 15), (1, half, 1)):
        page.locator("input[type=range]").fill(str(step))
        assert orders(page) == " ".join(map(str, order))
        assert nodes(page) == centres(order)
        assert page.locator(".path g > g.pale").count() == pale
        assert page.locator(".strip li").count() == len(order)


def test_without_javascript_everything_but_the_player_is_there(visit, files):
    page = visit(files["run"], java_script_enabled=False)
    assert page.locator(".plot").first.is_visible()
    assert page.locator("table").first.is_visible()
    assert page.locator("noscript").first.inner_text() != ""
