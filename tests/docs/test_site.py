"""The site is built without a warning, by ``mkdocs build --strict``: every link and anchor leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from chromium import chromium, needs_chromium
from made_once import made_once
from pages import ROOT, every_command
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import recipe_names
from reorder_kit.recipe.recipe import Recipe
from reorder_kit.studies.study_file import Study

pytestmark = pytest.mark.slow


def build(folder):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return made_once(tmp_path_factory, "site", build)


def sections(page: Path):
    """The text below each heading of a page, by the heading's anchor."""
    _, *parts = re.split(r'<h\d id="([^"]+)"', page.read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_component_has_its_options_on_the_page_of_its_kind(site):
    for registry in PluginHost(third_party=False).registries.values():
        found = sections(site / "reference" / "components" / f"{registry.kind.plural}.html")
        missing = {
            f"{name}.{option}"
            for name in registry
            for option in registry.get(name).Options.model_fields
            if f"<td><code>{option}</code></td>" not in found[name]
        }
        assert missing == set()


def test_every_command_is_there_with_its_options(site):
    found = sections(site / "reference" / "commands.html")
    for words, command in every_command().items():
        named = [name for each in command.params for name in each.opts if name.startswith("--") and not each.hidden]
        assert [name for name in named if f"<td><code>{name}" not in found["-".join(words)]] == []


@pytest.mark.parametrize(("name", "model"), [("recipe", Recipe), ("study", Study)])
def test_every_field_is_there(site, name, model):
    text = (site / "reference" / f"{name}.html").read_text(encoding="utf-8")
    assert {field for field in model.model_fields if f"<code>{field}</code>" not in text} == set()


def test_every_shipped_recipe_has_a_page(site):
    shown = [site / "repository" / "recipes" / f"{name}.yaml.html" for name in recipe_names()]
    assert [page for page in shown if not page.is_file()] == []


def test_the_report_is_that_of_the_tiny_study(site):
    assert "</html>" in (site / "examples" / "report.html").read_text(encoding="utf-8")


def test_pages_fetch_nothing(site):
    fetched = re.compile(r"""<(?:script|img|iframe)[^>]+src=["']?https?:|<link[^>]+stylesheet[^>]+https?:""")
    assert [page for page in site.rglob("*.html") if fetched.search(page.read_text(encoding="utf-8"))] == []


@needs_chromium
@pytest.mark.parametrize("width", [375, 1280])
def test_no_page_is_wider_than_the_screen_or_asks_the_network(site, width):
    pages = ["index", "orders", "reference/commands", "reference/components/backbones", "reference/python/interfaces"]
    with chromium() as browser:
        tab = browser.new_context(viewport={"width": width, "height": 800}, offline=True).new_page()
        asked = []
        tab.on("request", lambda request: asked.append(request.url))
        for page in pages:
            tab.goto((site / f"{page}.html").as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture
def address(site):
    """Where a server shows the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=site)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format, *arguments):  # noqa: A002
        pass


@needs_chromium
def test_the_search_finds_a_learner(address):
    with chromium() as browser:
        tab = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        asked = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(f"{address}/index.html")
        tab.locator(".md-search__input").fill("gumbel-sinkhorn")
        tab.locator(".md-search-result__link").first.wait_for()
        found = tab.locator(".md-search-result__link").all_inner_texts()
        assert any("gumbel-sinkhorn" in text for text in found)
        assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
