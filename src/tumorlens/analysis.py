"""The one path from inputs to Findings, which every way in takes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from io import IOBase
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tumorlens.decide.decide import decide
from tumorlens.decide.finding import Finding, Status
from tumorlens.decide.gate import judge_quality
from tumorlens.errors import MissingExtra, ScanError, ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.explain.heatmap import evidence, heatmap_class
from tumorlens.explain.measure import marked, measure
from tumorlens.model.load import available_cores
from tumorlens.model.prepare import PlacedMap, Prepared, prepare
from tumorlens.model.registry import load_model
from tumorlens.model.run import Model, RawOutputs
from tumorlens.parallel import Stream, in_order
from tumorlens.scan import FileFormat, Limits, Plane, Scan, Source, discover, read
from tumorlens.scan.intensity import unit_range
from tumorlens.scan.quality import assess
from tumorlens.scan.source import printable
from tumorlens.scan.turns import LARGE_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Input: TypeAlias = "str | os.PathLike[str] | Source | Scan | NDArray[np.generic]"
Found: TypeAlias = "Source | Scan | NDArray[np.generic] | ScanError"

# A file of more bytes than this is a volume or a large picture, and takes many times as much
# memory while it is read: such files are read one after another. Slices of MRI are smaller.
HEAVY_BYTES = 2**20
ARRAY_NAME = "array"
_INPUT_TYPES = (str, os.PathLike, Source, Scan, np.ndarray)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What became of one slice, or of one input that gave none.

    Attributes:
        outcome: The Finding, or why there is none.
        scan: The slice that the Finding is of; None with an error.
    """

    outcome: Finding | ScanError
    scan: Scan | None = None


def analyze(
    inputs: Input | Iterable[Input],
    *,
    model: Model | str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
    plane: Plane = Plane.AUTO,
    workers: int | None = None,
) -> Iterator[Finding | ScanError]:
    """Answer every slice of some inputs.

    Findings come in the order of the inputs and of their slices. An input that cannot be
    answered gives a ScanError in its place, as a value, and the others are answered. Memory does
    not grow with the number of inputs.

    Args:
        inputs: One or several of: a path (of a file, a folder, a zip, or a pattern), a Source, a
            Scan, or a grey image as an array (H, W).
        model: A loaded model, the name of an installed one, or the path of a file; the default
            model if None.
        limits: What one input may ask of this process.
        plane: Which slices of a NIfTI volume are answered.
        workers: How many slices are worked on at the same time; the processor's cores if None.

    Yields:
        A Finding for each slice, a ScanError for each input, or rest of one, that gave none.

    Raises:
        ModelError: The model cannot be found, opened or run.
        TypeError: An input is none of these, such as the bytes of a file.
        ValueError: `workers` is below 1, or there is no such plane.
    """
    found = find(inputs, limits=limits)
    answers = answer_found(found, model=model, limits=limits, plane=plane, workers=workers)
    return (answer.outcome for answer in answers)


def analyze_one(
    one: Input,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
) -> Finding:
    """Answer an input that holds one slice.

    Args:
        one: As for `analyze`.
        model: As for `analyze`.
        limits: As for `analyze`.

    Raises:
        ScanError: It cannot be answered, or holds several slices.
        ModelError: The model cannot be found, opened or run.
    """
    outcomes = analyze(one, model=model, limits=limits, workers=1)
    first = next(outcomes, None)
    if isinstance(first, ScanError):
        raise first
    if first is None or next(outcomes, None) is not None:
        count = "no slice" if first is None else "several slices"
        raise UnsupportedScan(_name_of(one), f"it holds {count}, not one", "Use analyze for it")
    return first


def find(inputs: Input | Iterable[Input], *, limits: Limits | None = None) -> Iterator[Found]:
    """Find what there is to answer in some inputs, lazily; see `tumorlens.scan.discover`.

    Raises:
        TypeError: An input is of none of the types that `analyze` takes.
    """
    for in_memory, run in groupby(map(_checked, _as_iterable(inputs)), key=_is_in_memory):
        if in_memory:
            yield from (one for one in run if isinstance(one, Scan | np.ndarray))
        else:
            paths = (one for one in run if not isinstance(one, Scan | np.ndarray))
            yield from discover(paths, limits=limits)


def answer_found(
    found: Iterable[Found],
    *,
    model: Model | str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
    plane: Plane = Plane.AUTO,
    workers: int | None = None,
) -> Iterator[Answer]:
    """Answer what `find` found, keeping each slice beside its Finding for those who draw it.

    Args:
        found: From `find`.
        model: As for `analyze`.
        limits: As for `analyze`.
        plane: As for `analyze`.
        workers: As for `analyze`.

    Raises:
        ModelError: The model cannot be found, opened or run.
    """
    if workers is not None and workers < 1:
        msg = f"workers must be at least 1, got {workers}"
        raise ValueError(msg)
    plane = Plane(plane)
    at_a_time = workers or available_cores()
    threads = None if at_a_time == 1 else 1
    loaded = model if isinstance(model, Model) else load_model(model, threads=threads)
    streams = (_stream(one, limits, plane) for one in found)
    return in_order(
        streams,
        partial(_answer, model=loaded),
        workers=at_a_time,
        is_large=_is_large,
    )


def answer_scan(scan: Scan, model: Model) -> Finding:
    """Answer one slice: gate, prepare, run, decide, explain."""
    start = time.perf_counter()
    flags = assess(scan)
    if judge_quality(flags).status is Status.REJECTED:
        finding = decide(scan, flags, None, model)
        known: dict[str, object] = {}
    else:
        prepared = prepare(scan.pixels, model.metadata.input)
        outputs = model.run(prepared.tensor[None])
        finding = decide(scan, flags, outputs, model)
        known = _explained(finding, outputs, prepared, scan, model)
    known["elapsed_ms"] = round(1000 * (time.perf_counter() - start), 3)
    return finding.model_copy(update=known)


def _explained(
    finding: Finding, outputs: RawOutputs, prepared: Prepared, scan: Scan, model: Model
) -> dict[str, object]:
    """The maps and measurements of a Finding; none where it is rejected."""
    shown = heatmap_class(finding, model.metadata)
    if shown is None:
        return {}
    values = evidence(outputs.heatmap[0], model.metadata.classes.index(shown))
    known: dict[str, object] = {
        "heatmap_class": shown,
        "evidence_map": PlacedMap(values, prepared.placement),
    }
    if outputs.mask is not None:
        mask = PlacedMap(outputs.mask[0, 0], prepared.placement)
        known["mask_map"] = mask
        lesions = marked(finding.model_copy(update={"mask_map": mask}))
        known["measurements"] = None if lesions is None else measure(lesions, scan.spacing)
    return known


def _answer(item: Scan | ScanError, model: Model) -> Answer:
    if isinstance(item, ScanError):
        return Answer(item)
    return Answer(answer_scan(item, model), item)


def _is_large(item: Scan | ScanError) -> bool:
    return isinstance(item, Scan) and item.pixels.size > LARGE_PIXELS


def _stream(found: Found, limits: Limits | None, plane: Plane) -> Stream[Scan | ScanError]:
    match found:
        case ScanError() | Scan():
            return Stream(iter((found,)))
        case Source():
            return Stream(_slices(found, limits, plane), is_heavy=_is_heavy(found))
        case _:
            return Stream(iter((_scan_of_array(found),)))


def _slices(source: Source, limits: Limits | None, plane: Plane) -> Iterator[Scan | ScanError]:
    """The slices of one input; what goes wrong is the last value, so no other input is lost."""
    try:
        yield from read(source, limits=limits, plane=plane)
    except ScanError as error:
        yield error
    except MissingExtra as error:
        what, advice = str(error).split("\n", 1)
        yield UnsupportedScan(source.name, what[0].lower() + what[1:].rstrip("."), advice)
    except MemoryError:
        yield ScanTooLarge(source.name, "there is not enough memory to read it")
    except Exception as error:  # noqa: BLE001  (a reader's own fault must not lose the others)
        reason = f"reading it failed in an unforeseen way ({type(error).__name__}: {error})"
        unforeseen = UnreadableScan(source.name, reason, "Please report this")
        unforeseen.__cause__ = error
        yield unforeseen


def _is_heavy(source: Source) -> bool:
    try:
        return source.origin.size() > HEAVY_BYTES
    except (OSError, ScanError):
        return False  # reading it will say what is wrong


def _scan_of_array(array: NDArray[np.generic]) -> Scan | ScanError:
    import hashlib

    if array.ndim != 2 or not array.size:  # noqa: PLR2004  (rows and columns)
        return UnsupportedScan(ARRAY_NAME, f"its shape is {array.shape}", "Give one slice (H, W)")
    if array.dtype.kind not in "uif":
        return UnsupportedScan(ARRAY_NAME, f"its type is {array.dtype}", "Give numbers")
    if not np.isfinite(array).all():
        return UnreadableScan(ARRAY_NAME, "it holds values that are not numbers")
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    pixels = unit_range(array)
    return Scan(pixels=pixels, source=ARRAY_NAME, sha256=digest, format=FileFormat.ARRAY)


def _as_iterable(inputs: Any) -> Iterable[Any]:
    # Bytes would be taken apart into numbers, and an open file into lines.
    if isinstance(inputs, _INPUT_TYPES) or not _is_series(inputs):
        return [inputs]
    series: Iterable[Any] = inputs
    return series


def _is_series(inputs: Any) -> bool:
    return isinstance(inputs, Iterable) and not isinstance(inputs, bytes | bytearray | IOBase)


def _checked(one: Any) -> Input:
    if not isinstance(one, _INPUT_TYPES):
        msg = (
            f"an input is a path, a Source, a Scan or an array (H, W), not {type(one).__name__}; "
            "for the bytes of a file use tumorlens.scan.Source.from_bytes(name, data)"
        )
        raise TypeError(msg)
    found: Input = one
    return found


def _name_of(one: Input) -> str:
    match one:
        case Source():
            return one.name
        case Scan():
            return one.source
        case np.ndarray():
            return ARRAY_NAME
        case _:
            return printable(os.fspath(one))


def _is_in_memory(one: Input) -> bool:
    return isinstance(one, Scan | np.ndarray)
