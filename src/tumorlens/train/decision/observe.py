"""What a model gives for labelled images, with what their pictures look like."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tumorlens.decide.alarm import frame_energy
from tumorlens.evaluate.figures import tumor_probability
from tumorlens.evaluate.truth import UNKNOWN, Truth, truth_of
from tumorlens.model.format import INPUT_NAME
from tumorlens.model.prepare import prepare
from tumorlens.scan import read
from tumorlens.scan.facts import facts_of
from tumorlens.train.dense.images import mask_paths, placed_mask
from tumorlens.train.dense.level import Overlaps, drawn_at
from tumorlens.train.export.graph import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.format import InputSpec, ModelMetadata

    Progress = Callable[[int, int], None]
    Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What was seen of N images.

    Attributes:
        metadata: Of the model.
        entries: The images.
        facts: Of their pictures, (N, F).
        probabilities: As the network gives them, (N, C).
        novelty: (N,).
        frame: Share of the evidence for the likeliest tumor in the picture's frame, (N,).
        features: What the network knows them by, (N, D); None where it has no such place.
        overlaps: Of the outlines of those whose lesions are drawn; None where there are none.
    """

    metadata: ModelMetadata
    entries: tuple[Entry, ...]
    facts: Numbers
    probabilities: Numbers
    novelty: Numbers
    frame: Numbers
    features: Numbers | None
    overlaps: Overlaps | None = None

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def truth(self) -> Truth:
        """What is known of them."""
        return truth_of(self.metadata, self.entries)

    @property
    def tumor_probability(self) -> Numbers:
        """(N,)."""
        return tumor_probability(self.metadata, self.probabilities)

    @property
    def sources(self) -> NDArray[np.str_]:
        """The set of each, (N,)."""
        return np.array([entry.source for entry in self.entries])

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """The classes that each may be of, (N, C); none of those whose label means nothing."""
        truth, classes = self.truth, self.metadata.classes
        positive = np.array([name in self.metadata.positive for name in classes])
        found = np.zeros((len(self), len(classes)), np.bool_)
        for row in range(len(self)):
            if truth.kind[row] != UNKNOWN:
                found[row, truth.kind[row]] = True
            elif truth.tumor[row] != UNKNOWN:
                found[row] = positive == bool(truth.tumor[row])
        return found

    def subset(self, rows: NDArray[Any] | slice) -> Observations:
        """Some of them, by number, mask or slice, without outlines."""
        numbers = np.arange(len(self))[rows]
        return Observations(
            self.metadata,
            tuple(self.entries[i] for i in numbers),
            self.facts[numbers],
            self.probabilities[numbers],
            self.novelty[numbers],
            self.frame[numbers],
            None if self.features is None else self.features[numbers],
        )

    def beside(self, others: Sequence[Observations]) -> Observations:
        """These with the answers of other models, of the same classes, to other images.

        Features are left out: each network has its own.
        """
        all_of = [self, *others]
        drawn = [one.overlaps for one in all_of if one.overlaps is not None]
        return Observations(
            self.metadata,
            tuple(entry for one in all_of for entry in one.entries),
            np.concatenate([one.facts for one in all_of]),
            np.concatenate([one.probabilities for one in all_of]),
            np.concatenate([one.novelty for one in all_of]),
            np.concatenate([one.frame for one in all_of]),
            None,
            Overlaps.joined(drawn) if drawn else None,
        )

    def with_probabilities(self, probabilities: Numbers) -> Observations:
        """The same images with other answers."""
        return replace(self, probabilities=probabilities)


def observe(
    session: Any,
    metadata: ModelMetadata,
    root: Path,
    entries: Sequence[Entry],
    *,
    feature: str | None = None,
    progress: Progress | None = None,
) -> Observations:
    """Let a graph answer images.

    Args:
        session: ONNX Runtime's, of the model's graph, with `feature` among its outputs.
        metadata: Of the model.
        root: The folder that the names of images are relative to.
        entries: The images.
        feature: The output with the features, if there is one.
        progress: Called with (images answered, images in all).

    Raises:
        ScanError: An image cannot be read.
    """
    names = ["probabilities", "heatmap", "novelty", *([feature] if feature else [])]
    has_mask = MASK in [output.name for output in session.get_outputs()]
    masks = mask_paths(root, {entry.source for entry in entries}) if has_mask else {}
    names += [MASK] if masks else []
    positive = [metadata.classes.index(name) for name in metadata.positive]

    def one(entry: Entry) -> tuple[Any, ...]:
        scan = next(read(root / entry.name))
        image = prepare(scan.pixels, metadata.input).tensor[None]
        given = session.run(names, {INPUT_NAME: image})
        likeliest = max(positive, key=lambda number: float(given[0][0, number]))
        features = given[3][0] if feature else None
        energy = frame_energy(given[1][0], likeliest)
        overlap = None
        if entry.name in masks:
            overlap = _overlap(root / entry.name, masks[entry.name], given[-1], metadata.input)
        return facts_of(scan.pixels), given[0][0], float(given[2][0]), energy, features, overlap

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, row in enumerate(pool.map(one, entries), start=1):
            rows.append(row)
            if progress:
                progress(number, len(entries))
    facts, probabilities, novelty, frame, features, overlaps = zip(*rows, strict=True)
    drawn = [one for one in overlaps if one is not None]
    return Observations(
        metadata,
        tuple(entries),
        np.array(facts),
        np.array(probabilities, np.float64),
        np.array(novelty, np.float64),
        np.array(frame, np.float64),
        np.array(features, np.float64) if feature else None,
        Overlaps.joined(drawn) if drawn else None,
    )


def _overlap(
    image: Path, mask: Path, given: NDArray[np.float32], spec: InputSpec
) -> Overlaps | None:
    """Of an outline (1, 1, h, w); None where nothing was drawn."""
    drawn = placed_mask(image, mask, spec)
    if not drawn.any():
        return None
    height, width = given.shape[-2:]
    return Overlaps.of(given[0], drawn_at(torch.from_numpy(drawn[None, None]), (height, width)))
