"""Why an answer came about: what it hangs on, what it resembles, and how firmly it stands."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel

from tumorlens.analysis import answer_scan
from tumorlens.decide.finding import CONFIG, NOTICE, Finding, Fraction, Status
from tumorlens.errors import MissingExtra, ModelIncompatible, UnsupportedScan
from tumorlens.model.prepare import PlacedMap, place, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tumorlens.model.run import Model
    from tumorlens.scan import Scan

    Picture = NDArray[np.float32]

OCCLUDED, STEP = 1 / 7, 1 / 14
"""Side of what is covered, and by how much it is moved on, as shares of the input: a patch about as
large as a lesion, and each place covered by four of them."""

BATCH = 16
_LEAST = 1e-6
NEAREST = 5
"""So many training examples are named."""


class Neighbour(BaseModel):
    """A training example that resembles the slice.

    Attributes:
        label: What it shows.
        source: The set that it is of.
        distance: How far it is in what the network sees.
    """

    model_config = CONFIG

    label: str
    source: str
    distance: float


class Variation(BaseModel):
    """The answer to a slice that was changed as no answer should depend on.

    Attributes:
        name: What was changed.
        status: The answer then.
        label: The kind then.
        tumor_probability: The tumor probability then; None where it was rejected unseen.
        map_agreement: Correlation of the heatmap with that of the unchanged slice, laid back on it;
            None where one of the two has no heatmap or an even one.
    """

    model_config = CONFIG

    name: str
    status: Status
    label: str | None
    tumor_probability: Fraction | None
    map_agreement: float | None


class Explanation(BaseModel):
    """Why an answer came about.

    Attributes:
        finding: The answer.
        stability: Share of the variations with the same status and label.
        variations: Each of them.
        neighbours: The nearest training examples, the nearest first; none where the model's file
            holds none.
        usual_distance: The distance that half of held-out slices stay below; None without examples.
        far_distance: The one that 95 % of them stay below.
        occlusion_drop: How far the tumor logit falls where the most telling place is covered.
        occlusion_agreement: Correlation of the occlusion map with the heatmap; None where one of
            them is even.
        notice: The research-use notice.
    """

    model_config = CONFIG

    record: Literal["explanation"] = "explanation"
    finding: Finding
    stability: Fraction
    variations: tuple[Variation, ...]
    neighbours: tuple[Neighbour, ...] = ()
    usual_distance: float | None = None
    far_distance: float | None = None
    occlusion_drop: float
    occlusion_agreement: float | None
    notice: str = NOTICE


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """An explanation, with its map.

    Attributes:
        explanation: In numbers and words.
        occlusion: How far the tumor logit falls where a place is covered, on the slice.
    """

    explanation: Explanation
    occlusion: PlacedMap

    def occlusion_finding(self) -> Finding:
        """The answer with the occlusion map in place of its heatmap, to be drawn."""
        drop = np.maximum(self.occlusion.values, 0)
        scaled = drop / max(float(drop.max(initial=0)), 1.0)
        shown = PlacedMap(np.asarray(scaled, np.float32), self.occlusion.placement)
        return self.explanation.finding.model_copy(update={"evidence_map": shown})


def explain_scan(scan: Scan, model: Model) -> Explained:
    """Explain the answer to one slice.

    Raises:
        UnsupportedScan: It is rejected, so there is no answer to explain.
        ModelError: The model cannot be run.
    """
    finding = answer_scan(scan, model)
    if finding.status is Status.REJECTED:
        why = "; ".join(reason.text for reason in finding.reasons)
        raise UnsupportedScan(scan.name, f"it is rejected, and has no answer to explain ({why})")
    covered = occlusion(scan, model)
    varied = tuple(_varied(scan, finding, model))
    same = [one.status is finding.status and one.label == finding.label for one in varied]
    table = model.metadata.decision.neighbours
    own = finding.heatmap
    return Explained(
        Explanation(
            finding=finding,
            stability=sum(same) / len(same),
            variations=varied,
            neighbours=() if table is None else nearest(scan, model),
            usual_distance=None if table is None else table.usual,
            far_distance=None if table is None else table.far,
            occlusion_drop=round(float(covered.values.max()), 6),
            occlusion_agreement=None if own is None else agreement(own, covered.on_slice()),
        ),
        covered,
    )


def occlusion(scan: Scan, model: Model) -> PlacedMap:
    """For each place, how far the tumor logit falls when it is covered (Zeiler & Fergus, 2014).

    What covers a place is the mean of the picture along its border, so that no hole is cut where
    there is dark ground, and no bright edge made.
    """
    prepared = prepare(scan.pixels, model.metadata.input)
    plane = prepared.tensor[0]
    height, width = plane.shape
    places = list(_places(height, width))
    whole = _tumor_logits(model, plane[None])[0]
    total, count = np.zeros(plane.shape), np.zeros(plane.shape)
    for start in range(0, len(places), BATCH):
        some = places[start : start + BATCH]
        batch = np.stack([_without(plane, place) for place in some])
        for (rows, columns), logit in zip(some, _tumor_logits(model, batch), strict=True):
            total[rows, columns] += whole - logit
            count[rows, columns] += 1
    drops = np.asarray(total / np.maximum(count, 1), np.float32)
    return PlacedMap(drops, prepared.placement)


def nearest(scan: Scan, model: Model) -> tuple[Neighbour, ...]:
    """The training examples that the network sees the most alike.

    Raises:
        ModelIncompatible: The model's file holds no examples.
    """
    table = model.metadata.decision.neighbours
    outputs = model.run(prepare(scan.pixels, model.metadata.input).tensor[None])
    if table is None or outputs.embedding is None:
        msg = f"{model.label} holds no training examples; `tumorlens calibrate` puts them in"
        raise ModelIncompatible(msg)
    codes = np.frombuffer(base64.b64decode(table.codes), np.int8)
    known = codes.reshape(-1, table.dimensions) * table.step
    apart = np.linalg.norm(known - outputs.embedding[0], axis=1)
    return tuple(
        Neighbour(
            label=table.labels[table.label_of[row]],
            source=table.sources[table.source_of[row]],
            distance=round(float(apart[row]), 6),
        )
        for row in np.argsort(apart, kind="stable")[:NEAREST]
    )


def agreement(one: Picture, other: Picture) -> float | None:
    """The correlation of two maps; None where one of them is even."""
    one, other = one - one.mean(), other - other.mean()
    length = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return None if length <= _LEAST else round(float((one * other).sum()) / length, 6)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of a picture, and how a map of the changed one is laid back."""

    name: str
    forth: Callable[[Picture], NDArray[np.floating[Any]]]
    back: Callable[[Picture], NDArray[np.floating[Any]]] = lambda map_: map_


def _changes() -> tuple[_Change, ...]:
    noise = np.random.default_rng(0)
    return (
        _Change("mirrored", np.fliplr, np.fliplr),
        _Change("turned by 7°", lambda p: _turned(p, 7), lambda m: _turned(m, -7)),
        _Change("turned by -7°", lambda p: _turned(p, -7), lambda m: _turned(m, 7)),
        _Change("noise", lambda p: p + noise.normal(0, 0.02, p.shape)),
        _Change("wider window", lambda p: 0.1 + 0.8 * p),
        _Change("narrower window", lambda p: (p - 0.05) / 0.85),
        _Change("brighter middle greys", lambda p: p**0.8),
        _Change("darker middle greys", lambda p: p**1.25),
    )


def _varied(scan: Scan, finding: Finding, model: Model) -> Iterator[Variation]:
    own = finding.heatmap
    for change in _changes():
        pixels = np.ascontiguousarray(np.clip(change.forth(scan.pixels), 0, 1), dtype=np.float32)
        found = answer_scan(replace(scan, pixels=pixels), model)
        its = found.heatmap
        agree = None
        if own is not None and its is not None:
            agree = agreement(own, np.asarray(change.back(its), np.float32))
        yield Variation(
            name=change.name,
            status=found.status,
            label=found.label,
            tumor_probability=found.tumor_probability,
            map_agreement=agree,
        )


def _turned(picture: Picture, degrees: float) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    return np.asarray(image.rotate(degrees, Image.Resampling.BILINEAR), np.float32)


def _places(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    tall, wide = max(1, round(OCCLUDED * height)), max(1, round(OCCLUDED * width))
    down, across = max(1, round(STEP * height)), max(1, round(STEP * width))
    for top in range(0, height - tall + 1, down):
        for left in range(0, width - wide + 1, across):
            yield slice(top, top + tall), slice(left, left + wide)


def _without(plane: Picture, place: tuple[slice, slice]) -> Picture:
    rows, columns = place
    part = plane[rows, columns]
    rim = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    covered = plane.copy()
    covered[rows, columns] = rim.mean()
    return covered


def _tumor_logits(model: Model, planes: Picture) -> NDArray[np.float64]:
    """The tumor logit of each of (N, H, W)."""
    spec = model.metadata.input
    shape = (len(planes), spec.channels, spec.height, spec.width)
    batch = np.ascontiguousarray(np.broadcast_to(planes[:, None], shape))
    given = model.run(batch).probabilities.astype(np.float64)
    columns = [model.metadata.classes.index(name) for name in model.metadata.positive]
    tumor = np.clip(given[:, columns].sum(axis=1), _LEAST, 1 - _LEAST)
    logits: NDArray[np.float64] = np.log(tumor / (1 - tumor))
    return logits


def shapley_map(scan: Scan, model: Model, evaluations: int = 300) -> PlacedMap:
    """For each place its share in the tumor logit, as Shapley values (Lundberg & Lee, 2017).

    Args:
        scan: The slice.
        model: What answers.
        evaluations: How often the network is asked; more make smaller places.

    Raises:
        MissingExtra: SHAP is not installed.
    """
    try:
        import shap
    except ImportError as error:
        extra, what = "shap", "Explaining by Shapley values"
        raise MissingExtra(extra, what) from error
    placement = place(scan.pixels, model.metadata.input)
    plane = prepare(scan.pixels, model.metadata.input).tensor[0]
    hidden = np.full((*plane.shape, 1), plane.mean(), np.float32)

    def ask(pictures: NDArray[np.float32]) -> NDArray[np.float64]:
        planes = np.asarray(pictures[..., 0], np.float32)
        parts = [
            _tumor_logits(model, planes[start : start + BATCH])
            for start in range(0, len(planes), BATCH)
        ]
        return np.concatenate(parts)[:, None]

    masker = shap.maskers.Image(hidden, hidden.shape)
    found = shap.PartitionExplainer(ask, masker)(
        plane[None, ..., None], max_evals=evaluations, batch_size=BATCH, silent=True
    )
    return PlacedMap(np.asarray(found.values, np.float32).reshape(plane.shape), placement)
