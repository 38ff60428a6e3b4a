"""Splitting labelled images into folds so that nothing stands on two sides.

Files are never split; groups are. A group is what is not independent: the images of one patient,
and the near-copies of one another, mirrored and rotated ones included. Only where the split of a
set's authors is to be repeated, to measure what their figures mean, may groups cross, and then each
line of the manifest says so.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.duplicates import SAME, Pair, find_pairs, group, thumbnail
from tumorlens.data.index import index
from tumorlens.data.manifest import Entry, Protocol
from tumorlens.errors import DatasetError, ScanError
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.index import Sample

    Progress = Callable[[int, int], None]

FOLDS = 5
TEST_FOLD, VALIDATION_FOLD, TRAINING_FOLD = 1, 2, 3

AUTHORS_SHARE = 0.2
"""The share of the images that authors of published systems set aside, file by file."""


class SplitBy(StrEnum):
    """What decides on which side an image stands.

    AUTO takes the author's folds where there are some, else patients where they are known, else
    groups of near-copies. AUTHORS repeats what authors of published systems did, copies on two
    sides included.
    """

    AUTO = "auto"
    PATIENT = "patient"
    GROUP = "group"
    OFFICIAL = "official"
    AUTHORS = "authors"


@dataclass(frozen=True, slots=True)
class Split:
    """Some sets, split.

    Attributes:
        entries: The lines of the manifest.
        notes: What was left out or kept, and why, a sentence each.
    """

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    """The readable images of one set, and which of them are copies of one another."""

    folder: Path
    samples: list[Sample]
    thumbnails: NDArray[np.float32]
    pairs: list[Pair]

    def entry(self, number: int, group_name: str, fold: int) -> Entry:
        sample = self.samples[number]
        return Entry(
            name=f"{self.folder.name}/{sample.path.relative_to(self.folder).as_posix()}",
            sha256=sample.sha256(),
            source=self.folder.name,
            label=sample.label,
            group=f"{self.folder.name}/{group_name}",
            fold=fold,
        )


def split(
    folders: Sequence[Path],
    *,
    by: SplitBy = SplitBy.AUTO,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Split:
    """Split some sets into folds.

    1. A set whose author gave folds by patient keeps every image and those folds (auto and
       official); near-copies within a fold form a group.
    2. A set with Training and Testing folders, split officially, keeps its sides: the test images
       are fold 1, validation images fold 2. What is in a group with images that are learnt from
       is left out of the test side, so that no group crosses.
    3. Of any other set, one file is kept of each distinct picture. Near-copies of one another and
       images of one patient form a group, and the groups are dealt to the folds, balanced over the
       labels.
    4. An image with a near-copy in a set that was named before its own is left out.

    By authors, every image is kept, copies too, and the lines say so (`Protocol.AUTHORS`):

    - Of a set with Training and Testing folders, Testing is fold 1; fold 2 is its validation
      folder, or else a fifth of Training, file by file; fold 3 is the rest.
    - Of any other set, a fifth of the files is fold 1. Authors call this their validation set, and
      its accuracy is what they report, so here it is what the test measures. A fifth of the
      others is fold 2, which chooses the epoch, and the rest is fold 3.
    - A set whose author gave folds keeps them.

    Args:
        folders: The sets, each a folder; the first one keeps what several of them hold.
        by: What decides.
        folds: How many, at least 2.
        seed: Decides the deal.
        progress: Called with (images read, images in all) of each set.

    Raises:
        DatasetError: A set is missing, empty, cannot be split so, or is too small.
    """
    if len({folder.name for folder in folders}) < len(folders):
        msg = "two of the sets have the same folder name; rename one, names must tell them apart"
        raise DatasetError(msg)
    kept: list[_Pictures] = []
    entries: list[Entry] = []
    notes: list[str] = []
    for folder in folders:
        pictures, unreadable = _pictures(folder, progress)
        if unreadable:
            notes.append(f"{folder.name}: {unreadable} files cannot be read and are left out")
        found = _by(by, pictures)(pictures, folds, seed)
        before = [] if by is SplitBy.AUTHORS else kept
        mine = _without_copies_of(before, pictures, found.entries)
        if len(mine) < len(found.entries):
            left_out = len(found.entries) - len(mine)
            notes.append(f"{folder.name}: {left_out} images are copies of sets before it; left out")
        entries += mine
        notes += found.notes
        kept.append(pictures)
    return Split(tuple(entries), tuple(notes))


def _by(by: SplitBy, pictures: _Pictures) -> Callable[[_Pictures, int, int], Split]:
    """The way in which one set is split."""
    samples, name = pictures.samples, pictures.folder.name
    has_folds = all(sample.fold is not None for sample in samples)
    if has_folds and by in (SplitBy.AUTO, SplitBy.OFFICIAL, SplitBy.AUTHORS):
        return _authored
    if by is SplitBy.AUTHORS:
        return _as_published
    if by is SplitBy.OFFICIAL:
        if not all(sample.split for sample in samples):
            msg = (
                f"{name}: has no official split (a fold column, or Training/ and Testing/ "
                "folders); use --by group or --by patient"
            )
            raise DatasetError(msg)
        return _official
    if by is SplitBy.PATIENT and not all(sample.patient for sample in samples):
        msg = (
            f"{name}: the patients of its images are not known; "
            "give a table with a patient column, or use --by group"
        )
        raise DatasetError(msg)
    return _dealt


def _authored(pictures: _Pictures, folds: int, seed: int) -> Split:  # noqa: ARG001
    """Every image, in its author's fold.

    Which patient an image is of may not be known, so the near-copies within a fold are the groups
    that intervals are drawn over; the author's folds keep patients apart.
    """
    samples = pictures.samples
    entries = []
    for fold in sorted({sample.fold or 0 for sample in samples}):
        chosen = [i for i, sample in enumerate(samples) if sample.fold == fold]
        near = group(len(chosen), _within(pictures.pairs, chosen))
        for i, number in zip(chosen, near, strict=True):
            patient = samples[i].patient
            name = f"patient-{patient}" if patient else f"fold{fold}-near{number}"
            entries.append(pictures.entry(i, name, fold))
    crossing = [p for p in pictures.pairs if samples[p.first].fold != samples[p.second].fold]
    same = sum(pair.correlation >= SAME for pair in crossing)
    note = (
        f"{pictures.folder.name}: its author's folds are kept; {len(crossing)} pairs of "
        f"near-copies stand in two folds, {same} of them the same picture"
    )
    return Split(tuple(sorted(entries, key=lambda entry: entry.name)), (note,))


def _dealt(pictures: _Pictures, folds: int, seed: int) -> Split:
    """One file of each distinct picture, in groups that are dealt to the folds."""
    samples = pictures.samples
    _, first_of_each = np.unique(group(len(samples), pictures.pairs, SAME), return_index=True)
    kept = sorted(int(i) for i in first_of_each)
    names = _group_names(pictures)
    numbers = _deal(pictures, kept, names, range(1, folds + 1), seed)
    entries = tuple(
        pictures.entry(i, names[i], number) for i, number in zip(kept, numbers, strict=True)
    )
    note = (
        f"{pictures.folder.name}: {len(samples)} files hold {len(kept)} distinct pictures in "
        f"{len({names[i] for i in kept})} independent groups"
    )
    return Split(entries, (note,))


def _official(pictures: _Pictures, folds: int, seed: int) -> Split:
    """The sides of the set's own folders, without the test images that stand on another side."""
    samples = pictures.samples
    order = {"train": 0, "validation": 1, "test": 2}
    side = [order[sample.split or "train"] for sample in samples]
    names = _group_names(pictures)
    learnt_from: dict[str, int] = {}
    for name, number in zip(names, side, strict=True):
        learnt_from[name] = min(number, learnt_from.get(name, number))
    leaking = {i for i, name in enumerate(names) if side[i] > learnt_from[name]}
    train = [i for i in range(len(samples)) if side[i] == order["train"]]
    first_free = VALIDATION_FOLD + (order["validation"] in side)
    numbers = _deal(pictures, train, names, range(first_free, folds + 1), seed)
    fold_of = dict(zip(train, numbers, strict=True))
    fold_of |= {i: VALIDATION_FOLD for i, s in enumerate(side) if s == order["validation"]}
    fold_of |= {i: TEST_FOLD for i, s in enumerate(side) if s == order["test"]}
    entries = tuple(
        pictures.entry(i, names[i], fold_of[i]) for i in range(len(samples)) if i not in leaking
    )
    tests = side.count(order["test"])
    lost = sum(side[i] == order["test"] for i in leaking)
    note = (
        f"{pictures.folder.name}: its own sides are kept; {lost} of {tests} test images are in a "
        "group with images that are learnt from, and are left out"
    )
    return Split(entries, (note,))


def _as_published(pictures: _Pictures, folds: int, seed: int) -> Split:  # noqa: ARG001
    """Every image, on the side that authors of published systems put it, copies or not."""
    samples = pictures.samples
    chance = np.random.default_rng(seed)
    everything = range(len(samples))
    has_sides = all(sample.split for sample in samples)
    test = [i for i in everything if samples[i].split == "test"] if has_sides else []
    test = test or _share_of(pictures, list(everything), chance)
    others = sorted(set(everything) - set(test))
    held_out = [i for i in others if samples[i].split == "validation"]
    held_out = held_out or _share_of(pictures, others, chance)
    fold_of = dict.fromkeys(everything, TRAINING_FOLD)
    fold_of |= dict.fromkeys(held_out, VALIDATION_FOLD) | dict.fromkeys(test, TEST_FOLD)
    names, same = _group_names(pictures), group(len(samples), pictures.pairs, SAME)
    entries = tuple(
        replace(
            pictures.entry(i, names[i], fold_of[i]),
            protocol=Protocol.AUTHORS,
            picture=f"{pictures.folder.name}/picture{same[i]}",
        )
        for i in everything
    )
    learnt = {same[i] for i in others}
    leaking = sum(same[i] in learnt for i in test)
    note = (
        f"{pictures.folder.name}: split as its authors did, with nothing left out; {leaking} of "
        f"{len(test)} test images show a picture that is learnt from"
    )
    return Split(entries, (note,))


def _share_of(pictures: _Pictures, chosen: list[int], chance: np.random.Generator) -> list[int]:
    """`AUTHORS_SHARE` of the files of each label, at random, whatever they are copies of."""
    labels = [pictures.samples[i].label for i in chosen]
    drawn: list[int] = []
    for label in sorted(set(labels)):
        mine = [i for i, name in zip(chosen, labels, strict=True) if name == label]
        drawn += chance.permutation(mine)[: round(AUTHORS_SHARE * len(mine))].tolist()
    if not drawn or len(drawn) == len(chosen):
        msg = f"{pictures.folder}: {len(chosen)} images are too few to set some of them aside"
        raise DatasetError(msg)
    return sorted(drawn)


def _deal(
    pictures: _Pictures, chosen: list[int], names: list[str], folds: Iterable[int], seed: int
) -> list[int]:
    """The fold of each chosen image: whole groups, balanced over the labels."""
    from sklearn.model_selection import StratifiedGroupKFold

    numbers = list(folds)
    groups = [names[i] for i in chosen]
    labels = [pictures.samples[i].label for i in chosen]
    if len(set(groups)) < len(numbers):
        msg = (
            f"{pictures.folder}: only {len(set(groups))} independent groups of images; "
            f"{len(numbers)} folds need at least {len(numbers)}"
        )
        raise DatasetError(msg)
    if len(numbers) == 1:
        return numbers * len(chosen)
    sides = [0] * len(chosen)
    dealer = StratifiedGroupKFold(len(numbers), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A label with fewer images than folds is dealt as far as it goes.
        warnings.simplefilter("ignore", UserWarning)
        try:
            dealt = list(dealer.split(labels, labels, groups))
        except ValueError as error:
            msg = f"{pictures.folder}: cannot be dealt to {len(numbers)} folds: {error}"
            raise DatasetError(msg) from error
    for number, (_, side) in zip(numbers, dealt, strict=True):
        for i in side:
            sides[i] = number
    return sides


def _group_names(pictures: _Pictures) -> list[str]:
    """The group of each image: joined by near-copies and by patients."""
    samples = pictures.samples
    of_patient: dict[str, list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        if sample.patient:
            of_patient[sample.patient].append(i)
    joined = [Pair(m[0], other, 1.0) for m in of_patient.values() for other in m[1:]]
    numbers = group(len(samples), [*pictures.pairs, *joined])
    patients: dict[int, set[str | None]] = defaultdict(set)
    for sample, number in zip(samples, numbers, strict=True):
        patients[number].add(sample.patient)
    return [
        f"patient-{sample.patient}"
        if patients[number] == {sample.patient} and sample.patient
        else f"near{number}"
        for sample, number in zip(samples, numbers, strict=True)
    ]


def _without_copies_of(
    before: list[_Pictures], pictures: _Pictures, entries: tuple[Entry, ...]
) -> list[Entry]:
    """The entries whose picture has no near-copy in the sets before."""
    if not before:
        return list(entries)
    earlier = np.concatenate([other.thumbnails for other in before])
    everything = np.concatenate([earlier, pictures.thumbnails])
    copies = {
        f"{pictures.folder.name}/"
        f"{pictures.samples[p.second - len(earlier)].path.relative_to(pictures.folder).as_posix()}"
        for p in find_pairs(everything)
        if p.first < len(earlier) <= p.second
    }
    return [entry for entry in entries if entry.name not in copies]


def _within(pairs: list[Pair], chosen: list[int]) -> list[Pair]:
    """The pairs among some images, by their places in `chosen`."""
    place = {number: i for i, number in enumerate(chosen)}
    return [
        Pair(place[p.first], place[p.second], p.correlation)
        for p in pairs
        if p.first in place and p.second in place
    ]


def _pictures(folder: Path, progress: Progress | None) -> tuple[_Pictures, int]:
    """The readable images of a set, and how many cannot be read."""
    samples = index(folder)
    readable: list[Sample] = []
    vectors: list[NDArray[np.float32]] = []
    for number, sample in enumerate(samples, start=1):
        try:
            scan = next(read(sample.path))
        except ScanError:
            continue  # an audit names these; a split only leaves them out
        readable.append(sample)
        vectors.append(thumbnail(scan.pixels))
        if progress:
            progress(number, len(samples))
    if not readable:
        msg = f"{folder}: none of its {len(samples)} images can be read"
        raise DatasetError(msg)
    stacked = np.stack(vectors)
    return _Pictures(folder, readable, stacked, find_pairs(stacked)), len(samples) - len(readable)
