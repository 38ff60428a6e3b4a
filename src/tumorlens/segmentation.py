"""From answers to lesions: slices are gathered into series and volumes, and measured as such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Finding, Status
from tumorlens.decide.study import Study, study_of
from tumorlens.errors import ModelIncompatible, ScanError
from tumorlens.explain.measure import candidate, measure, smallest_area
from tumorlens.explain.regions import Region
from tumorlens.explain.stack import Depths, Marking, StackSlice, lesions_of, measure_stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from tumorlens.analysis import Answer
    from tumorlens.model.run import Model
    from tumorlens.scan import Place, Scan

# Slices of one stack lie side by side: their steps differ by rounding only, in mm.
SAME_STEP = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedSlice:
    """One slice with its lesions.

    Attributes:
        finding: The answer, measured as a part of its stack.
        lesions: Its lesions, by number; parts of one lesion have the same number in all slices.
        grey: uint8 (H, W), the slice in 8-bit grey levels, to draw on.
        place: Where it lies in the patient, or None where unknown.
    """

    finding: Finding
    lesions: dict[int, Region]
    grey: NDArray[np.uint8]
    place: Place | None

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The slice as float32 (H, W) in [0, 1]."""
        return np.asarray(self.grey / np.float32(255), np.float32)

    def mask(self) -> NDArray[np.bool_]:
        """All that is marked on it, bool (H, W)."""
        marked = np.zeros(self.grey.shape, np.bool_)
        for region in self.lesions.values():
            marked |= region.mask()
        return marked


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedStack:
    """The slices of a series or volume, or one slice by itself.

    Attributes:
        slices: In their order.
        study: The answer for the whole; None for a slice by itself.
    """

    slices: tuple[SegmentedSlice, ...]
    study: Study | None


def with_level(model: Model, level: float | None) -> Model:
    """A model that marks all pixels at or above another probability; the same one if None.

    Raises:
        ModelIncompatible: It gives no mask.
    """
    if not model.gives_mask:
        msg = f"{model.label} gives no mask, so it cannot say which pixels are tumor"
        raise ModelIncompatible(msg)
    if level is None:
        return model
    rules = model.metadata.mask.model_copy(update={"level": level, "peak_share": 0.0})
    return replace(model, metadata=model.metadata.model_copy(update={"mask": rules}))


def segment_answers(
    answers: Iterable[Answer], marking: Marking = Marking.TUMOR
) -> Iterator[SegmentedStack | ScanError]:
    """Gather answers into stacks, and find and measure the lesions of each.

    Slices of one series or volume that come one after another, are of one size and lie side by
    side are a stack. It is given when its last slice has come, and then the errors of inputs that
    came while it was gathered.

    Args:
        answers: From `tumorlens.analysis.answer_found`, of a model that gives a mask.
        marking: Whose pixels are marked.
    """
    held: list[_Held] = []
    errors: list[ScanError] = []
    for answer in answers:
        if isinstance(answer.outcome, ScanError):
            errors.append(answer.outcome)
        elif answer.scan is not None:
            upcoming = _Held.of(answer.outcome, answer.scan)
            if held and not held[-1].goes_on_with(upcoming):
                yield _segmented(held, marking)
                yield from errors
                held, errors = [], []
            held.append(upcoming)
        if not held or held[-1].finding.scan.series is None:
            yield from (_segmented([one], marking) for one in held)
            yield from errors
            held, errors = [], []
    if held:
        yield _segmented(held, marking)
    yield from errors


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A slice that waits for the rest of its stack, in as little room as drawing it later needs."""

    finding: Finding
    stack_slice: StackSlice
    grey: NDArray[np.uint8]
    place: Place | None

    @classmethod
    def of(cls, finding: Finding, scan: Scan) -> _Held:
        region = candidate(finding) or Region.empty((scan.height, scan.width))
        grey = np.rint(scan.pixels * 255).astype(np.uint8)
        part = StackSlice(finding.status, region, smallest_area(finding))
        return cls(finding, part, grey, scan.place)

    def goes_on_with(self, other: _Held) -> bool:
        """Whether another slice is the next one of the same stack."""
        mine, its = self.finding.scan, other.finding.scan
        if mine.series is None or mine.series != its.series or self.grey.shape != other.grey.shape:
            return False
        if mine.frame_count > 1 or its.frame_count > 1:
            return mine.source == its.source and mine.frame < its.frame and self._is_beside(other)
        return self._is_beside(other)

    def _is_beside(self, other: _Held) -> bool:
        if self.place is None or other.place is None:
            return self.place is other.place
        mine, its = ((*place.down, *place.right) for place in (self.place, other.place))
        return bool(np.allclose(mine, its, rtol=0, atol=SAME_STEP))


def _segmented(held: list[_Held], marking: Marking) -> SegmentedStack:
    scans = [one.finding.scan for one in held]
    depths = Depths.of([scan.position_mm for scan in scans], held[0].place)
    standing = [_standing(one.finding, len(held)) for one in held]
    stack = [replace(one.stack_slice, status=own) for one, own in zip(held, standing, strict=True)]
    if depths.is_volume:
        lesions = lesions_of(stack, marking)
    else:
        lesions = [own for one in stack for own in lesions_of([one], marking)]
    slices = tuple(
        SegmentedSlice(_measured(one.finding, status, own), own, one.grey, one.place)
        for one, status, own in zip(held, standing, lesions, strict=True)
    )
    is_whole = len(held) > 1 or (held[0].place is not None and held[0].place.volume is not None)
    return SegmentedStack(slices, _study(slices, depths) if is_whole else None)


def _standing(finding: Finding, slices: int) -> Status:
    """What an answer counts as among so many slices.

    Among many one is called a tumor by chance, mostly of no sure kind: such slices make a series
    uncertain (`tumorlens.decide.study.pool`), and mark nothing in it either.
    """
    return Status.UNCERTAIN if slices > 1 and finding.kind_is_open else finding.status


def _measured(finding: Finding, status: Status, lesions: dict[int, Region]) -> Finding:
    """The answer with the size of its lesions: none where nothing is marked or known absent."""
    is_known = status in (Status.TUMOR, Status.NO_TUMOR)
    size = measure(lesions, finding.scan.spacing_mm) if is_known or lesions else None
    return finding.model_copy(update={"measurements": size})


def _study(slices: tuple[SegmentedSlice, ...], depths: Depths) -> Study:
    study = study_of([one.finding for one in slices])
    is_marked = any(one.lesions for one in slices)
    size = None
    if depths.is_volume and (study.status in (Status.TUMOR, Status.NO_TUMOR) or is_marked):
        size = measure_stack([one.lesions for one in slices], study.spacing_mm, depths)
    return study.model_copy(
        update={
            "slice_distance_mm": depths.distance,
            "measurements": size,
            "notes": depths.notes,
        }
    )
