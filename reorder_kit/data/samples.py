"""Sets of samples: images in memory, and image files that are read on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from jaxtyping import Float, Shaped
from torch import Tensor

from reorder_kit.data.decoded_cache import DecodedSamples, file_key, key_of
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import Picture, read_image
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Identity, Sample, Unreadable

Transform = Callable[[Shaped[Tensor, "channel height width"]], Float[Tensor, "channel height width"]]


class ImagesInMemory:
    """Images in one tensor.

    Args:
        images: all images, including those outside the set.
        targets: the class of every image.
        indices: the images that belong to the set.
        transform: applied to an image when it is read; None if it is ready for the model.
        view_transform: applied for a further view; the same as ``transform`` if not given.
    """

    def __init__(
        self,
        images: Shaped[Tensor, "image channel height width"],
        targets: Sequence[int],
        indices: Sequence[int],
        transform: Transform | None = None,
        view_transform: Transform | None = None,
    ) -> None:
        self._images = images
        self._targets = [targets[index] for index in indices]
        self._indices = indices
        self._transform = transform
        self._view_transform = view_transform or transform

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._sample(index, self._transform)

    def view(self, index: int) -> Sample:
        """A further view of a sample."""
        return self._sample(index, self._view_transform)

    def target(self, index: int) -> int:
        """The class of a sample."""
        return self._targets[index]

    def _sample(self, index: int, transform: Transform | None) -> Sample:
        image = self._images[self._indices[index]]
        return Sample(image if transform is None else transform(image), self._targets[index])


class ImagesInFiles(DecodedSamples[Picture]):
    """Image files. A file is unreadable if it cannot be decoded or the transform refuses it.

    Args:
        files: the path and the class of each.
        root: the folder that their names are relative to.
        decoding: how they are decoded.
        transform: applied to an image after decoding.
        view_transform: applied for a further view; the same as ``transform`` if not given.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        root: Path,
        decoding: Decoding,
        transform: Transform,
        view_transform: Transform | None = None,
    ) -> None:
        self._files, self._root = files, root
        self._decoding = decoding
        self._transform = transform
        self._view_transform = view_transform or transform

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return self._sample(index, self._transform)

    def view(self, index: int) -> Sample | Unreadable:
        """A further view of a sample."""
        return self._sample(index, self._view_transform)

    def target(self, index: int) -> int:
        """The class of a sample, whether or not its image can be read."""
        return self._files[index][1]

    def identity(self, index: int) -> Identity:
        """The file of a sample."""
        return FileIdentity(self._root, self._files[index][0])

    def decode(self, index: int) -> Picture | Unreadable:
        """Read the file of a sample."""
        return read_image(self._files[index][0], self._decoding)

    def decoding_key(self, index: int) -> bytes:
        """The key of a sample's file and its decoding."""
        return key_of(file_key(self._files[index][0]), self._decoding)

    def _sample(self, index: int, transform: Transform) -> Sample | Unreadable:
        path, target = self._files[index]
        picture = self.decoded(index)
        if isinstance(picture, Unreadable):
            return picture
        findings = Findings(picture.findings)
        try:
            return Sample(transform(self.cut(picture, path, target, findings)), target, findings=findings.found)
        except ReorderKitError as error:
            return Unreadable(path, error.message)

    def cut(
        self, picture: Picture, path: str, target: int, findings: Findings
    ) -> Shaped[Tensor, "channel height width"]:
        """The part of an image that becomes the sample: all of it, unless a subclass cuts it.

        Args:
            picture: the decoded image.
            path: its file.
            target: its class.
            findings: collects what is converted or guessed.

        Raises:
            ReorderKitError: if the image turns out to be unreadable.
        """
        return picture.pixels
