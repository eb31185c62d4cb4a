"""The contract of trackers: one that keeps it, and for each rule one that breaks it alone."""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest
import torch
from pydantic import Field, create_model

from reorder_kit.interfaces import ComponentOptions, Tracker, TrackerOptions
from reorder_kit.testing import TRACKER_RULES, BrokenRulesError, check_tracker, tracker_case


class JsonLines(Tracker):
    """A file of JSON lines in the run folder."""

    name = "json-lines"

    def start(self, run):
        self.path = run.directory / "tracked.jsonl"

    def log(self, epoch, figures):
        self.write(epoch=epoch, **figures)

    def finish(self, status, summary):
        self.write(status=status, **summary)

    def write(self, **line):
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Secret(JsonLines):
    """It asks for a key."""

    class Options(TrackerOptions):
        api_key: str = Field("", description="the key of the service")


class OfItsOwn(JsonLines):
    """Its options lack those of all trackers."""

    Options = ComponentOptions


class Uninstallable(JsonLines):
    """It needs a library that nothing says how to get."""

    library = "some_library"


class Silent(JsonLines):
    """It cannot be told a note before the first epoch."""

    def note(self, epoch, text):
        self.mean = 1 / epoch


class Forgetful(JsonLines):
    """It finds its file by what it remembers of the first start."""

    def start(self, run):
        if run.is_resumed:
            raise FileNotFoundError("the table of the run")
        super().start(run)


class Summarizing(JsonLines):
    """It takes it that there is a summary."""

    def finish(self, status, summary):
        if status == "failed":
            summary["test/top1"]
        super().finish(status, summary)


class Shared(JsonLines):
    """All runs share a session, which the first that ends closes."""

    session: dict = {}

    def start(self, run):
        super().start(run)
        self.session["open"] = True

    def log(self, epoch, figures):
        self.session["open"]
        super().log(epoch, figures)

    def finish(self, status, summary):
        self.session.clear()
        super().finish(status, summary)


class Meddling(JsonLines):
    """It empties a file of the run."""

    def save(self, file):
        file.write_text("")


class Drawing(JsonLines):
    """It names runs at random."""

    def start(self, run):
        super().start(run)
        self.number = float(torch.rand(()))


def test_one_that_keeps_the_contract():
    check_tracker(JsonLines, {"group": "nights", "tags": ["a"]})


@pytest.mark.parametrize(
    ("tracker", "rule"),
    [
        (Secret, "its options are those of a tracker"),
        (OfItsOwn, "its options are those of a tracker"),
        (Uninstallable, "says how its library is installed"),
        (Silent, "logs a run from its start to its end"),
        (Forgetful, "resumes a run that was stopped"),
        (Summarizing, "takes a run that fails before its first epoch"),
        (Meddling, "leaves the run as it would be without it"),
        (Drawing, "leaves the run as it would be without it"),
        (Shared, "logs two runs at once"),
    ],
)
def test_one_that_breaks_a_rule_breaks_that_one_alone(tracker, rule):
    case = tracker_case(tracker)
    broken = set()
    for each in TRACKER_RULES:
        try:
            each(case)
        except BrokenRulesError:
            broken.add(each.name)
    assert broken == {rule}


@pytest.mark.parametrize(
    ("option", "is_secret"),
    [
        *((name, True) for name in ("api_key", "aws_access_key_id", "private_key", "passwd", "login_token", "secret")),
        *((name, False) for name in ("key", "tokens", "keyboard", "secretary", "digits")),
    ],
)
def test_an_option_that_may_be_secret_is_refused_by_its_name(option, is_secret):
    options = create_model("Options", __base__=TrackerOptions, **{option: (str, Field("", description="a word"))})
    tracker = type("Named", (JsonLines,), {"Options": options, "__doc__": "It has an option."})
    refused = pytest.raises(BrokenRulesError, match=f"the option {option} would be written into the run folder")
    with refused if is_secret else nullcontext():
        check_tracker(tracker)
