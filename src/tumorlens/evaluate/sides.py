"""The two sides of a model: what it learnt from, and what it is measured on."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data import manifest as manifests
from tumorlens.data.duplicates import find_pairs, thumbnail
from tumorlens.data.index import index
from tumorlens.data.manifest import Protocol
from tumorlens.data.split import TEST_FOLD, SplitBy, split
from tumorlens.errors import DatasetError
from tumorlens.evaluate.evaluation import Leak
from tumorlens.evaluate.truth import known_entries, left_out
from tumorlens.scan import read
from tumorlens.train.recipe import IMPORTED_FROM, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import ModelMetadata

    Progress = Callable[[int, int], None]

_REMEMBERED = 16384
"""Thumbnails that are kept in memory, of 9 kB each."""

UNPROVEN = (
    "The model's file does not say what it learnt from: nothing proves that these images were not "
    "among it, and figures on images that were learnt from are worth nothing."
)


@dataclass(frozen=True, slots=True)
class Sides:
    """What a model learnt from, and what it is measured on.

    Attributes:
        training: Images that it learnt from; none where that is not known and the set has no
            training side of its own.
        held_out: Images of the test side.
        root: The folder that their names are relative to.
        notes: What cannot be proved and what was left out, a sentence each.
    """

    training: list[Entry]
    held_out: list[Entry]
    root: Path
    notes: tuple[str, ...] = ()

    @property
    def protocol(self) -> Protocol:
        """What keeps the sides apart."""
        return manifests.protocol_of(self.held_out)

    @property
    def leak(self) -> Leak | None:
        """How much the sides share, where they are not kept apart."""
        if self.protocol is Protocol.GROUPED:
            return None
        pictures = {entry.picture for entry in self.training}
        same = sum(entry.picture in pictures for entry in self.held_out)
        near = len(self.held_out) - len(self.rest)
        return Leak(images=len(self.held_out), same=same, near=near)

    @property
    def rest(self) -> list[int]:
        """The images of the test side that share no group with the training side, by row."""
        groups = {entry.group for entry in self.training}
        return [i for i, entry in enumerate(self.held_out) if entry.group not in groups]


def sides(
    metadata: ModelMetadata, root: Path, manifest: Path | None, progress: Progress | None = None
) -> Sides:
    """What a model learnt from, and its test side, once it is proven which is which.

    The training side of the manifest must hash to what the model file says of its data. A model
    that was trained elsewhere says nothing of its data; see `foreign_sides`.

    Args:
        metadata: Of the model.
        root: The folder that holds the model's sets; for a model from elsewhere, the set itself.
        manifest: The manifest of the training run, or None to build it again.
        progress: Called with (images compared, images in all).

    Raises:
        DatasetError: The manifest is another one, or files of the test fold are missing or changed.
        RecipeError: The model file says how it was trained, but not in words understood here.
    """
    if not metadata.data and set(metadata.recipe) <= {IMPORTED_FROM}:
        return foreign_sides(metadata, root, manifest, progress)
    recipe = Recipe.of_model(metadata)
    wanted = recipe.data
    entries = (
        manifests.load(manifest)
        if manifest
        else split(
            [root / name for name in wanted.sources],
            by=wanted.split,
            seed=recipe.seed,
            progress=progress,
        ).entries
    )
    stated = {source.name: source.manifest_sha256 for source in metadata.data}
    training = [entry for entry in entries if entry.fold != wanted.test_fold]
    if manifests.hash_by_source(training) != stated:
        msg = (
            f"{manifest or root}: not the images and folds that {metadata.name} was trained on; "
            "its training images could be among the test images. "
            "Name the manifest.csv of its training run with --manifest"
        )
        raise DatasetError(msg)
    held_out = [entry for entry in entries if entry.fold == wanted.test_fold]
    manifests.verify(held_out, root)
    return Sides(training, held_out, root)


def foreign_sides(
    metadata: ModelMetadata, root: Path, manifest: Path | None, progress: Progress | None = None
) -> Sides:
    """What a model from elsewhere can be measured on: nobody knows what it learnt from.

    1. By a manifest, its test fold is the test side, and the rest is taken for what was learnt
       from.
    2. A set with a test side of its own is split so, as authors do; what the sides share is told.
    3. Of any other set one file of each distinct picture is the test, all folds of it.

    Images with labels that the model does not know are left out.

    Args:
        metadata: Of the model.
        root: The set, or with a manifest the folder that its names are relative to.
        manifest: A manifest, or None.
        progress: Called with (images compared, images in all).

    Raises:
        DatasetError: There is no such set, or it cannot be used.
    """
    has_sides, notes = True, [UNPROVEN]
    if manifest is not None:
        entries = manifests.load(manifest)
    else:
        root = root.resolve()
        has_sides = any(sample.split == "test" for sample in index(root))
        by = SplitBy.AUTHORS if has_sides else SplitBy.GROUP
        found = split([root], by=by, progress=progress)
        root, entries = root.parent, list(found.entries)
        notes += found.notes
    notes += left_out(metadata, entries)
    entries = known_entries(metadata, entries)
    test = [entry for entry in entries if entry.fold == TEST_FOLD or not has_sides]
    if not test:
        msg = f"{manifest or root}: no image of the test side is of a class that the model knows"
        raise DatasetError(msg)
    manifests.verify(test, root)
    rest = [entry for entry in entries if entry.fold != TEST_FOLD and has_sides]
    return Sides(rest, test, root, tuple(notes))


def held_out_entries(
    metadata: ModelMetadata, root: Path, manifest: Path | None, progress: Progress | None = None
) -> list[Entry]:
    """The images of a model's test fold; see `sides`."""
    return sides(metadata, root, manifest, progress).held_out


def unseen_entries(
    metadata: ModelMetadata, root: Path, sources: Sequence[str], progress: Progress | None = None
) -> list[Entry]:
    """The images of sets that the model learnt nothing from: one file of each distinct picture.

    Each set stands by itself: its figures are the same whichever sets are named beside it.

    Raises:
        DatasetError: The model was trained on one of them, or one cannot be used.
    """
    learnt = {source.name for source in metadata.data}
    if seen := sorted(learnt & set(sources)):
        msg = f"{metadata.name} was trained on {', '.join(seen)}; name sets that it has not seen"
        raise DatasetError(msg)
    return [entry for name in sources for entry in split([root / name], progress=progress).entries]


def without_copies(
    entries: Sequence[Entry],
    training: Sequence[Entry],
    root: Path,
    progress: Progress | None = None,
) -> tuple[list[Entry], list[str]]:
    """The images of other sets that show nothing that was learnt from, and what was left out.

    Public sets repeat each other: a set of another name is not for that a set that was never seen.

    Args:
        entries: Images of sets that the model did not learn from by name.
        training: What it learnt from.
        root: The folder that holds all of them.
        progress: Called with (images compared, images in all).

    Returns:
        The images that have no near-copy in `training`, and sentences.
    """
    missing = [entry.name for entry in training if not (root / entry.name).is_file()]
    if missing or not training:
        note = (
            "What the model learnt from is not all at hand, so copies of it in the sets that it "
            "never saw were not looked for; public sets repeat each other."
        )
        return list(entries), [note]
    vectors = _thumbnails([*training, *entries], root, progress)
    known = {
        pair.second - len(training)
        for pair in find_pairs(vectors)
        if pair.first < len(training) <= pair.second
    }
    kept = [entry for i, entry in enumerate(entries) if i not in known]
    notes = []
    for source in dict.fromkeys(entry.source for entry in entries):
        before = sum(entry.source == source for entry in entries)
        lost = before - sum(entry.source == source for entry in kept)
        if lost:
            notes.append(
                f"{source}: {lost} of {before} pictures are copies or near-copies of pictures that "
                "were learnt from; left out"
            )
    return kept, notes


def _thumbnails(
    entries: Sequence[Entry], root: Path, progress: Progress | None
) -> NDArray[np.float32]:
    vectors = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda entry: _thumbnail_of(root / entry.name), entries)
        for number, vector in enumerate(made, start=1):
            vectors.append(vector)
            if progress:
                progress(number, len(entries))
    return np.stack(vectors)


def _thumbnail_of(path: Path) -> NDArray[np.float32]:
    status = path.stat()
    return _remembered(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(path: Path, size: int, changed: int) -> NDArray[np.float32]:  # noqa: ARG001
    """The thumbnail of a file of this size and time: sets are compared with the same images."""
    return thumbnail(next(read(path)).pixels)
