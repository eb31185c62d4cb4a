"""A caption target: vocabulary, loss and texts are worked out word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from capability_cases import prepared
from reorder_kit.interfaces import Batch

VOCABULARY = ["left", "low", "right", "top"]
NUMBER = {"left": 2, "low": 3, "right": 4, "top": 5, "dark": 1}


@pytest.fixture(scope="module")
def run(capability, finished):
    return capability.open(finished)


@pytest.fixture(scope="module")
def weights(run):
    """The decoder as numpy arrays."""
    return {name: value.double().numpy() for name, value in run.model.head.state_dict().items()}


@pytest.fixture(scope="module")
def states(run):
    """The readout of each test image, and its caption."""
    batch = prepared(run, 45, "test")
    with torch.no_grad():
        return run.model(batch).outputs.double().numpy(), batch.targets


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_probabilities(weights, state, word):
    """One step of the recurrence: the next state, and the log-probability of every word after it."""
    given = weights["cell.weight_ih_l0"] @ weights["embed.weight"][word] + weights["cell.bias_ih_l0"]
    kept = weights["cell.weight_hh_l0"] @ state + weights["cell.bias_hh_l0"]
    (reset, update, new), (reset_kept, update_kept, new_kept) = np.split(given, 3), np.split(kept, 3)
    update = sigmoid(update + update_kept)
    state = (1 - update) * np.tanh(new + sigmoid(reset + reset_kept) * new_kept) + update * state
    scores = weights["score.weight"] @ state + weights["score.bias"]
    return state, scores - np.log(np.exp(scores).sum())


def loss_of(weights, state, text):
    """The mean over the words and the end, each after the words before it."""
    found, before = [], 0
    for word in [*(NUMBER[word] for word in text.split()), 0]:
        state, log_probability = log_probabilities(weights, state, before)
        found.append(-log_probability[word])
        before = word
    return np.mean(found)


def text_of(weights, state):
    """The most probable word after each, at most two."""
    said, before = [], 0
    for _ in range(2):
        state, log_probability = log_probabilities(weights, state, before)
        before = int(log_probability.argmax())
        if before == 0:
            break
        said.append(["?", *VOCABULARY][before - 1])
    return " ".join(said)


def test_the_vocabulary_is_that_of_training_captions(finished):
    assert finished.read_fitted() == {"words": VOCABULARY, "longest": 2}


def test_captions_become_numbers_before_the_step(run):
    batch = prepared(run, 9, "test")
    assert batch.targets[:2] + batch.targets[6:] == ["top left", "top right", "left", "right", "dark"]
    assert batch.prepared["words"].tolist()[:2] == [[5, 2, 0], [5, 4, 0]]
    assert batch.prepared["words"].tolist()[6:] == [[2, 0, 0], [4, 0, 0], [1, 0, 0]]


def test_the_loss_is_that_of_every_word_after_those_before_it(finished, states, weights):
    expected = np.mean([loss_of(weights, state, text) for state, text in zip(*states, strict=True)])
    assert finished.read_result().metrics.test["loss"] == pytest.approx(expected, rel=1e-5)


def test_exact_counts_texts_that_are_right_word_for_word(finished, states, weights):
    said = [text_of(weights, state) for state in states[0]]
    exact = np.mean([mine == text for mine, text in zip(said, states[1], strict=True)])
    assert finished.read_result().metrics.test["exact"] == pytest.approx(exact)
    assert exact > 0.5  # eight captions, and a ninth with an unknown word
    assert all(mine != text for mine, text in zip(said, states[1], strict=True) if text == "dark")


def test_texts_come_without_targets(run, states, weights):
    labelled = prepared(run, 45, "test")
    unlabelled = run.experiment.task.prepare(Batch(labelled.images), False, run.context)
    with torch.no_grad():
        said = run.experiment.task.predict(run.model, unlabelled)
    assert said == [text_of(weights, state) for state in states[0]]


def test_a_resumed_run_keeps_its_vocabulary(capability, finished):
    """What a task was fitted to is read from the run folder, not fitted again."""
    again = capability.open(finished)
    assert again.context.fitted == {"words": VOCABULARY, "longest": 2}
    assert again.model.head.embed.num_embeddings == 6
