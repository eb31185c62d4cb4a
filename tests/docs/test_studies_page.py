"""docs/studies.md: the study shown is valid."""

from __future__ import annotations

import re

import yaml

from pages import Page
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.library import study_names

PAGE = Page("docs/studies.md")


def test_the_study_that_is_shown_is_right(tmp_path):
    (shown,) = (yaml.safe_load(block) for block in PAGE.blocks("yaml"))
    shown["backbones"]["mine"]["name"] = "recurrent"  # instead of the reader's own
    study = check_study(shown, PluginHost(third_party=False), "docs/studies.md", tmp_path).study
    assert (study.name, len(study.seeds), list(study.data)) == ("mine", 8, ["digits"])


def test_every_shipped_study_is_named():
    assert set(re.findall(r"`studies/(\w+)\.yaml`", PAGE.prose)) == set(study_names())
