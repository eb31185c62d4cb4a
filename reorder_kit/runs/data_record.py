"""The data that a run read: the content of its ``data.json``, and the names of its images."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.finding import Finding
from reorder_kit.interfaces.recorded_splits import SPLITS, RecordedSplits
from reorder_kit.orders.checksums import DAMAGED
from reorder_kit.runs.record import Count, VersionedRecord
from reorder_kit.whole_file import write_whole


class DataRecord(VersionedRecord):
    """The content of ``data.json``.

    Args:
        source: name of the data source.
        classes: names of the classes.
        images: the number of images in each split.
        split_file: the file with the names of the images, relative to the run folder; None if they have none.
        split_digest: digest of that file's content; None if there is no such file.
        findings: what was dropped, guessed or converted while opening the data.
    """

    version = 1

    source: str
    classes: list[str]
    images: Mapping[str, Count]
    split_file: str | None
    split_digest: str | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class NamedImages:
    """The images of each split: their names, and what identifies their content.

    Args:
        splits: the names in each split.
        digests: the digests in each split, in the same sequence; empty for images that were not checked.
    """

    splits: RecordedSplits
    digests: Mapping[str, tuple[str, ...]]

    def digest(self) -> str:
        """The digest of all names and digests."""
        return hashlib.sha256(self._text().encode(errors="surrogatepass")).hexdigest()

    def write(self, path: Path) -> None:
        """Write one line of JSON per image, compressed. An existing file is never changed."""
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # Runs of a study may begin at the same time, with the same images.
        write_whole(path, gzip.compress(self._text().encode(errors="surrogatepass"), mtime=0), is_shared=True)

    @classmethod
    def read(cls, path: Path) -> NamedImages:
        """Read the file.

        Raises:
            ReorderKitError: if it is missing or damaged.
        """
        names: dict[str, list[str]] = {split: [] for split in SPLITS}
        digests: dict[str, list[str]] = {split: [] for split in SPLITS}
        try:
            text = gzip.decompress(path.read_bytes()).decode(errors="surrogatepass")
            for line in text.splitlines():
                split, name, digest = json.loads(line)
                names[split].append(str(name))
                digests[split].append(str(digest))
        except OSError as error:
            raise ReorderKitError(
                f"{path}: the names of the images cannot be read: {error.strerror or error}",
                "copy the whole folder that holds the run: a study, or the run that it is a control of",
            ) from None
        except (ValueError, EOFError, KeyError, TypeError, RecursionError, zlib.error) as error:
            raise ReorderKitError(f"{path}: the names of the images are damaged: {error}", DAMAGED) from None
        train, validation, test = (tuple(names[split]) for split in SPLITS)
        return cls(RecordedSplits(train, validation, test), {split: tuple(digests[split]) for split in SPLITS})

    def _text(self) -> str:
        lines = [
            json.dumps([split, name, digest])
            for split, names in self.splits
            for name, digest in zip(names, self.digests[split], strict=True)
        ]
        return "".join(line + "\n" for line in lines)
