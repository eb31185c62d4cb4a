"""The VQ-VAE of patches: its tokens, its file, and its training."""

from __future__ import annotations

import json
import math
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from reorder_kit.analysis.fit_vq_vae import fit_vq_vae, vq_figures
from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.data_sources.image_folder import ImageFolder
from reorder_kit.errors import ReorderKitError
from reorder_kit.layers.vq_vae import VqConfig, VqVae
from reorder_kit.orders.grid import Grid

REPOSITORY = Path(__file__).parents[2]
SHAPES = [(1, 2, 2, 1), (3, 8, 8, 1), (3, 8, 8, 2), (3, 16, 8, 4), (2, 7, 5, 1), (1, 1, 1, 1), (1, 6, 9, 3)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def config(channels, height, width, side=1, codes=5):
    return VqConfig(channels=channels, height=height, width=width, side=side, codes=codes, hidden=4, dim=3)


def model_of(*shape, seed=0):
    """Random weights, and codes among its vectors."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = VqVae(config(*shape)).eval()
    patches = torch.randn(40, *shape[:3], generator=generator(seed))
    model.codebook.start(model.encode(patches).detach(), generator(seed))
    return model, patches


# The model


@pytest.mark.parametrize("shape", SHAPES)
def test_any_patch_gets_the_codes_asked_for_and_is_read_back(shape):
    model, patches = model_of(*shape)
    tokens = model.tokens(patches)
    assert tokens.shape == (40, shape[3] ** 2)
    assert 0 <= tokens.min() <= tokens.max() < 5
    assert len(set(tokens.flatten().tolist())) > 1
    coded = model(patches)
    assert coded.patches.shape == patches.shape
    assert torch.equal(coded.numbers.view(40, -1), tokens)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_patch_is_coded_by_itself(shape):
    model, patches = model_of(*shape)
    tokens = model.tokens(patches)
    alone = torch.cat([model.tokens(patch[None]) for patch in patches])
    assert torch.equal(alone, tokens)


def test_codes_of_a_patch_come_row_by_row():
    # The left half is dark and the right half bright, then the upper and the lower.
    model, _ = model_of(1, 4, 4, 2)
    split = torch.zeros(2, 1, 4, 4)
    split[0, :, :, 2:] = split[1, :, 2:] = 5.0
    vectors = model.encode(split).view(2, 2, 2, 3)
    upper_left, upper_right, lower_left, _ = vectors[0].flatten(0, 1)
    # A convolution sees beyond its quarter, so vertical neighbors are similar, not equal.
    assert (upper_left - lower_left).norm() < (upper_left - upper_right).norm()
    upper_left, upper_right, lower_left, _ = vectors[1].flatten(0, 1)
    assert (upper_left - upper_right).norm() < (upper_left - lower_left).norm()


def test_brought_to_mean_0_and_variance_1_brightness_and_contrast_do_not_count():
    model, patches = model_of(3, 8, 8, 1)
    tokens = model.tokens(patches)
    model.mean.copy_(torch.tensor([1.0, 2.0, 3.0])[:, None, None])
    model.std.copy_(torch.tensor([2.0, 4.0, 8.0])[:, None, None])
    assert torch.equal(model.tokens(patches * model.std + model.mean), tokens)


def test_the_gradient_passes_to_the_encoder_as_if_there_were_no_codebook():
    model, patches = model_of(1, 2, 2, 1)
    coded = model(patches)
    weight = torch.randn(coded.patches.shape, generator=generator(1))
    (of_vectors,) = torch.autograd.grad((coded.patches * weight).sum(), coded.vectors)
    codes = model.codebook.codes[coded.numbers].clone().requires_grad_()
    (of_codes,) = torch.autograd.grad((model.decode(codes) * weight).sum(), codes)
    torch.testing.assert_close(of_vectors, of_codes)
    torch.testing.assert_close(coded.patches, model.decode(codes))


def test_codes_that_do_not_divide_a_patch_are_refused():
    with pytest.raises(ValidationError, match="2x2 codes do not divide a patch of 7x8 pixels"):
        config(1, 7, 8, 2)


# The file


def test_a_model_is_the_same_after_it_was_saved(tmp_path):
    model, patches = model_of(3, 8, 8, 2)
    model.save(tmp_path / "vq.safetensors")
    loaded = VqVae.load(tmp_path / "vq.safetensors")
    assert loaded.config == model.config
    assert torch.equal(loaded.tokens(patches), model.tokens(patches))
    assert torch.equal(loaded(patches).patches, model(patches).patches)
    assert not loaded.training


def rewritten(path, change=lambda tensors, header: None):
    """The file with a change."""
    model, _ = model_of(1, 2, 2, 1)
    model.save(path)
    tensors, header = load_file(path), json.loads(model.config.model_dump_json())
    change(tensors, header)
    save_file(tensors, path, metadata={"reorder-kit-vq-vae": json.dumps(header)})
    return path


def test_a_file_written_anew_is_read(tmp_path):
    assert VqVae.load(rewritten(tmp_path / "vq.safetensors")).config.codes == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, header: header.update(format_version=2), "format_version 2 is not 1"),
        (lambda tensors, header: header.pop("format_version"), "format_version None is not 1"),
        (lambda tensors, header: header.update(codes=6), "holds a damaged VQ-VAE: "),
        (lambda tensors, header: header.update(colour="red"), "holds a damaged VQ-VAE: "),
        (lambda tensors, header: header.pop("channels"), "holds a damaged VQ-VAE: "),
        (lambda tensors, header: tensors.pop("mean"), "holds a damaged VQ-VAE: "),
    ],
)
def test_a_damaged_file_is_refused_in_words(tmp_path, change, message):
    path = rewritten(tmp_path / "vq.safetensors", change)
    with pytest.raises(ReorderKitError) as caught:
        VqVae.load(path)
    assert caught.value.message.startswith(f"{path}: {message}")


def test_a_file_that_holds_no_vq_vae_is_refused(tmp_path):
    path = tmp_path / "some.safetensors"
    for write, message in [
        (lambda: None, "cannot be read as safetensors"),
        (lambda: path.write_bytes(b"\x80\x04pickle"), "cannot be read as safetensors"),
        (lambda: save_file({"weight": torch.zeros(2)}, path), "does not hold a VQ-VAE"),
        (
            lambda: save_file({"w": torch.zeros(2)}, path, metadata={"reorder-kit-vq-vae": "{"}),
            "holds a damaged VQ-VAE",
        ),
        (
            lambda: save_file({"w": torch.zeros(2)}, path, metadata={"reorder-kit-vq-vae": "3"}),
            "holds a damaged VQ-VAE",
        ),
    ]:
        write()
        with pytest.raises(ReorderKitError) as caught:
            VqVae.load(path)
        assert caught.value.message.startswith(f"{path}: {message}")


# Training

KINDS = torch.tensor([[1.0, 1, 1, 1], [-1, -1, -1, -1], [1, 1, -1, -1], [1, -1, 1, -1]])


def images_of(count, seed=0):
    """Images of nine 2x2 patches of four kinds, with a little noise, and the kinds."""
    random = generator(seed)
    kinds = torch.randint(4, (count, 9), generator=random)
    return KINDS[kinds] + 0.05 * torch.randn(count, 9, 4, generator=random), kinds


def fitted(seed=0, steps=300):
    patches, _ = images_of(64)
    small = VqConfig(channels=1, height=2, width=2, codes=8, dim=4)
    return fit_vq_vae(small, patches.split(16), seed, steps)


@pytest.fixture(scope="module")
def model():
    return fitted()


@torch.no_grad()
def test_a_code_stands_for_one_kind_of_patch(model):
    patches, kinds = images_of(50, seed=1)
    tokens = model.tokens(patches.reshape(-1, 1, 2, 2)).flatten().tolist()
    pairs = set(zip(kinds.flatten().tolist(), tokens, strict=True))
    assert {kind for kind, _ in pairs} == {0, 1, 2, 3}
    assert len({token for _, token in pairs}) == len(pairs)


def test_figures_of_held_out_images_are_those_counted_by_hand(model):
    patches, _ = images_of(50, seed=1)
    train, _ = images_of(64)
    figures = vq_figures(model, train.split(16), patches.split(20))
    counts = Counter(model.tokens(patches.reshape(-1, 1, 2, 2)).flatten().tolist())
    assert (figures.images, figures.codes, figures.used) == (50, 8, len(counts))
    assert figures.use == len(counts) / 8 > 0.5
    shares = [count / 450 for count in counts.values()]
    assert figures.perplexity == pytest.approx(2 ** -sum(share * math.log2(share) for share in shares))
    assert figures.baseline == pytest.approx(float((patches - train.mean(dim=0)).square().mean()))
    # Two pixels are bright in two of four kinds, two in three or in one: variances of 1, 1, 3/4 and 3/4.
    assert figures.baseline == pytest.approx(0.875, abs=0.05)
    # The noise has a variance of 0.0025, which no code can represent.
    assert 0.002 < figures.error < 0.02
    assert figures.left == figures.error / figures.baseline


def test_a_code_that_does_not_occur_is_counted_as_unused(model):
    patches = KINDS[:2].repeat(3, 5, 1)[:, :9]
    figures = vq_figures(model, [patches], [patches])
    assert (figures.used, figures.use) == (2, 0.25)
    assert figures.perplexity == pytest.approx(2 ** -(5 / 9 * math.log2(5 / 9) + 4 / 9 * math.log2(4 / 9)))


def test_the_seed_decides_everything_and_the_global_random_stream_is_left_alone():
    torch.manual_seed(7)
    first = fitted(steps=5).state_dict()
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(1), after)
    torch.manual_seed(8)
    again, other = fitted(steps=5).state_dict(), fitted(seed=1, steps=5).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["codebook.codes"], other["codebook.codes"])


def test_channels_are_standardised_by_the_training_images():
    patches = torch.randn(20, 3, 2 * 4, generator=generator()) * 3 + 2
    patches[:, :, 4:] = 7.0
    model = fit_vq_vae(VqConfig(channels=2, height=2, width=2, codes=2, hidden=2, dim=2), patches.split(6), 0, 1)
    first = patches[:, :, :4].double()
    assert model.mean.flatten().tolist() == pytest.approx([float(first.mean()), 7.0])
    # A constant channel has no deviation to divide by.
    assert model.std.flatten().tolist() == pytest.approx([float(first.std(unbiased=False)), 1.0])


def test_without_a_readable_image_there_is_nothing_to_train_on(model):
    with pytest.raises(ReorderKitError, match="no image could be read"):
        fit_vq_vae(model.config, [], 0)
    for batches, held_out in [([], [KINDS[None]]), ([KINDS[None]], [])]:
        with pytest.raises(ReorderKitError, match="no image could be read"):
            vq_figures(model, batches, held_out)


@pytest.mark.slow
def test_real_photos_are_read_back_with_most_of_the_codebook_in_use(tmp_path):
    shard = REPOSITORY.parent / "shared" / "data" / "eurosat" / "test-00.tar.gz"
    if not shard.exists():
        pytest.skip("shared/data/eurosat, which holds real photos, is not beside the repository")
    with tarfile.open(shard) as photos:
        photos.extractall(tmp_path, filter="data")
    splits = ImageFolder(ImageFolder.Options(root=tmp_path / "test")).open(0)
    patches, held_out = (
        TrainingPatches(some, Grid(8, 8), 0, 500) for some in (splits, replace(splits, train=splits.test))
    )
    photo_codes = fit_vq_vae(VqConfig(channels=3, height=8, width=8), patches, 0, steps=250)
    figures = vq_figures(photo_codes, patches, held_out)
    assert figures.use > 0.5
    assert figures.perplexity > 20
    # One or two tenths are left after a full training; the mean color of patches alone leaves less than a third.
    assert figures.left < 0.35
