"""A user's own Keras classifier becomes a TumorLens model file."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import re
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tumorlens.errors import MissingExtra, ModelIncompatible, RecipeError
from tumorlens.model.format import REQUIRED_OUTPUTS, InputSpec, ModelMetadata
from tumorlens.train.keras.given import UnknownLayer
from tumorlens.train.keras.graph import read_graph
from tumorlens.train.keras.network import Imported, Output, with_head
from tumorlens.train.keras.parts import assemble
from tumorlens.train.keras.rebuild import DEFAULT_SIZE, rebuild
from tumorlens.train.keras.recognise import Family, Feed, Range, family, rescales_bytes, title
from tumorlens.train.keras.saved import read_saved
from tumorlens.train.keras.weights import arrays_of
from tumorlens.train.keras.whole import WholeModel, refuse_channels_first, refuse_code
from tumorlens.train.recipe import IMPORTED_FROM

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.train.keras.saved import Saved

NEGATIVE_NAMES = frozenset(
    {"healthy", "negative", "no", "none", "normal", "notumor", "notumour", "without"}
)
"""How folders of images without a tumor are called, small letters alone."""

BINARY_CLASSES = ("no", "yes")
"""The folders of the well-known two-class sets, in the order in which Keras numbers folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a user says of a model that its file does not.

    Attributes:
        classes: Class names in the order of the outputs; None for `BINARY_CLASSES`.
        positive: Those that are tumors; None for all that are not called as one without.
        name: The model's name; None for one made of the file's.
        values: What range it was fed; None for what its layers tell.
        size: Rows and columns of the input, where the file leaves them open.
        allow_code: Whether Python code in the file may be run.
    """

    classes: tuple[str, ...] | None = None
    positive: tuple[str, ...] | None = None
    name: str | None = None
    values: Range | None = None
    size: int | None = None
    allow_code: bool = False


class _Network(Protocol):
    """A network of any origin: what `Classifier` and `Imported` both are."""

    classes: int

    def features(self, image: Tensor) -> Tensor: ...

    def classify(self, features: Tensor) -> Tensor: ...

    def class_maps(self, features: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A network that was read from a Keras file.

    Attributes:
        network: What it computes, on what Keras fed it.
        title: What it is.
        family: The published architecture, where it is one.
        image: (channels, height, width).
        rescales: Whether it takes [0, 255] and rescales inside.
        notes: What a user should know of how it was read.
    """

    network: _Network
    title: str
    family: Family | None
    image: tuple[int, int, int]
    rescales: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """A model that is ready to be written, and what its user is told.

    Attributes:
        module: What the model file computes.
        metadata: What it says of itself.
        notes: What was assumed, a sentence each.
    """

    module: ImportedModel
    metadata: ModelMetadata
    notes: tuple[str, ...] = field(default=())


class ImportedModel(nn.Module):
    """What the model file of an imported network computes.

    Nothing is known of the images that it was trained on, so novelty is 0.
    """

    outputs: ClassVar[tuple[str, ...]] = REQUIRED_OUTPUTS

    def __init__(self, network: _Network, feed: Feed) -> None:
        super().__init__()
        self.network = network
        self.feed = feed

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1 or 3, H, W) in [0, 1] → (N, C), (N, C, h, w), (N,)."""
        features = self.network.features(self.feed(image))
        probabilities = torch.softmax(self.network.classify(features), dim=1)
        novelty = probabilities.sum(dim=1) * 0
        return probabilities, self.network.class_maps(features), novelty


def read_model(path: Path, wishes: Wishes) -> Import:
    """Read a Keras file and make of it what a model file holds.

    1. Read its layers one by one, without Keras; a layer that is not known here is taken from
       Keras, where that is installed.
    2. Where its layers cannot be followed, let Keras load it whole.
    3. Where Keras cannot, or the file has weights alone, rebuild the architecture.

    Args:
        path: A ``.h5``, ``.keras`` or ``.weights.h5`` file.
        wishes: What the file does not say.

    Raises:
        ModelNotFound, ModelCorrupt, ModelIncompatible: Naming the layer or version that is the
            reason, and the way out.
        RecipeError: The wishes do not fit the model.
        MissingExtra: A library is not installed.
    """
    saved = read_saved(path)
    found = _find(saved, wishes)
    network = found.network
    classes = _classes(network.classes, wishes, path)
    values = wishes.values or (Range.BYTE if found.rescales else Range.UNIT)
    feed = Feed(found.image[0], values, found.family)
    module = ImportedModel(network, feed).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    metadata = _metadata(saved, found, wishes, classes, values)
    notes = (*found.notes, *_told(found, wishes, classes, metadata.positive, values))
    return Import(module, metadata, notes)


def _find(saved: Saved, wishes: Wishes) -> Found:
    if saved.config is None:
        return _rebuilt(saved, wishes, "the file has weights alone")
    whole = WholeModel(saved.path, allow_code=wishes.allow_code)
    try:
        graph = read_graph(saved.config, saved.path)
    except ModelIncompatible as reason:
        return _otherwise(saved, wishes, whole, str(reason))
    refuse_channels_first(graph.places, saved.path)
    if not wishes.allow_code:
        refuse_code(graph.places, saved.path)
    image = _image(graph.shape, wishes.size, saved.path)
    try:
        arrays = arrays_of(saved, graph.places)
        parts = assemble(graph, arrays, torch.Size([1, *image]), saved.path, whole.layer)
    except (UnknownLayer, ModelIncompatible) as reason:
        return _otherwise(saved, wishes, whole, str(reason))
    names = [place.names[-1] for place in graph.places]
    notes = []
    if whole.used:
        notes.append(f"computed by Keras itself: {', '.join(dict.fromkeys(whole.used))}")
    if graph.shape[0] is None:
        notes.append(f"the file leaves the input's size open; it is {image[1]}x{image[2]} here")
    network = with_head(parts, saved.path)
    return Found(
        network, title(graph), family(names), image, rescales_bytes(graph),
        (*notes, *_of_output(network)),
    )  # fmt: skip


def _otherwise(saved: Saved, wishes: Wishes, whole: WholeModel, reason: str) -> Found:
    """What is done with a file whose layers cannot be followed one by one."""
    try:
        image = _image(whole.image, wishes.size, saved.path)
        network = with_head(whole.parts(image), saved.path)
    except (ModelIncompatible, MissingExtra) as second:
        try:
            return _rebuilt(saved, wishes, f"Keras cannot load the model whole ({reason})")
        except ModelIncompatible:
            told = reason if str(second) in reason else f"{reason}. {second}"
            raise ModelIncompatible(told) from second
    note = f"loaded whole by Keras, as its layers cannot be followed one by one ({reason})"
    return Found(network, "Keras model", None, image, False, (note, *_of_output(network)))


def _rebuilt(saved: Saved, wishes: Wishes, reason: str) -> Found:
    built = rebuild(saved, wishes.size)
    assumed = ", ".join(built.assumed)
    note = f"{reason}: a {built.family.title} was rebuilt for its weights, with {assumed}"
    image = (3, built.network.height, built.network.width)
    return Found(built.network, built.family.title, built.family, image, False, (note,))


def _image(
    shape: tuple[int | None, int | None, int | None], size: int | None, path: Path
) -> tuple[int, int, int]:
    """(channels, height, width) of the input, from (height, width, channels) of the file."""
    height, width, channels = shape
    if channels not in {1, 3}:
        msg = f"{path}: the model takes images of {channels} channels; 1 (grey) or 3 are understood"
        raise ModelIncompatible(msg)
    if size is not None and (height or size, width or size) != (size, size):
        msg = f"--size {size}: the model's input is {height}x{width}, and cannot be another"
        raise RecipeError(msg)
    rows, columns = height or size or DEFAULT_SIZE, width or size or DEFAULT_SIZE
    try:
        InputSpec(height=rows, width=columns)
    except ValidationError:
        msg = f"{path}: an input of {rows}x{columns} is not understood, only 32 to 4096 a side"
        raise ModelIncompatible(msg) from None
    return channels, rows, columns


def _of_output(network: Imported) -> list[str]:
    """What a user should know of the network's last layer and heatmap."""
    notes = []
    if network.output in {Output.LOGIT, Output.LOGITS, Output.UNKNOWN}:
        meaning = "probabilities" if network.output is Output.UNKNOWN else "logits"
        notes.append(f"its last layer is {network.output}; its values are taken as {meaning}")
    if network.output is Output.SIGMOIDS:
        notes.append(
            "its last layer has several units with a sigmoid each; they are divided by their sum, "
            "so probabilities differ from what Keras gives"
        )
    if not network.tells_where:
        notes.append(
            "its head is no chain of pooling and dense layers, so the heatmap is even: it does "
            "not tell where"
        )
    return notes


def _classes(count: int, wishes: Wishes, path: Path) -> tuple[str, ...]:
    """The class names, as many as the model has.

    Raises:
        RecipeError: They are not said, or are another number.
    """
    if wishes.classes is None:
        if count == len(BINARY_CLASSES):
            return BINARY_CLASSES
        msg = (
            f"{path}: the model has {count} classes; name them with --classes, in the order of "
            "its outputs (Keras numbers folders by alphabet: print train.class_indices)"
        )
        raise RecipeError(msg)
    if len(wishes.classes) != count:
        msg = (
            f"--classes names {len(wishes.classes)} ({', '.join(wishes.classes)}); the model in "
            f"{path} has {count}"
        )
        raise RecipeError(msg)
    if twice := [name for name in wishes.classes if wishes.classes.count(name) > 1]:
        msg = f"--classes names {twice[0]} twice; each output is another class"
        raise RecipeError(msg)
    return wishes.classes


def _positive(classes: tuple[str, ...], wishes: Wishes) -> tuple[str, ...]:
    if wishes.positive is not None:
        return wishes.positive
    positive = tuple(name for name in classes if not _is_negative(name))
    if len(positive) == len(classes) or not positive:
        msg = (
            f"which of the classes {', '.join(classes)} are tumors is not clear from their names; "
            "say it with --positive"
        )
        raise RecipeError(msg)
    return positive


def _is_negative(name: str) -> bool:
    letters = re.sub(r"[^a-z]", "", name.lower())
    return letters.removesuffix("tumor").removesuffix("tumour") in NEGATIVE_NAMES or (
        letters in NEGATIVE_NAMES
    )


def _metadata(
    saved: Saved, found: Found, wishes: Wishes, classes: tuple[str, ...], values: Range
) -> ModelMetadata:
    channels, height, width = found.image
    stem = re.sub(r"[^a-z0-9._-]+", "-", saved.path.name.split(".")[0].lower()).strip("-._")
    try:
        return ModelMetadata(
            name=wishes.name or stem or "imported",
            version="imported",
            task="binary" if len(classes) == len(BINARY_CLASSES) else "multiclass",
            classes=classes,
            positive=_positive(classes, wishes),
            input=InputSpec(height=height, width=width, channels=3 if channels > 1 else 1),
            recipe={
                IMPORTED_FROM: {
                    "file": saved.path.name,
                    "sha256": hashlib.sha256(saved.path.read_bytes()).hexdigest(),
                    "keras_version": saved.keras_version,
                    "network": found.title,
                    "input_range": values.value,
                }
            },
            licence="NOASSERTION",
            created=dt.datetime.now(dt.UTC).date().isoformat(),
            created_with={
                "python": platform.python_version(),
                **{name: version(name) for name in ("tumorlens", "torch", "onnx")},
            },
        )
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the model'}: {e['msg']}" for e in error.errors()
        )
        msg = f"--name, --classes or --positive: {problems}"
        raise RecipeError(msg) from error


def _told(
    found: Found,
    wishes: Wishes,
    classes: tuple[str, ...],
    positive: tuple[str, ...],
    values: Range,
) -> list[str]:
    """What was assumed for want of words in the file or on the command line."""
    notes = []
    order = f"the outputs are, in order: {', '.join(classes)}; tumor: {', '.join(positive)}"
    if wishes.classes is None:
        order += " (assumed: Keras numbers folders by alphabet; --classes says otherwise)"
    notes.append(order)
    if wishes.values is None and found.rescales:
        notes.append("the model rescales inside, so it is fed 0 to 255")
    elif wishes.values is None:
        own = f"; own is {found.family.habit}" if found.family else ""
        notes.append(
            f"it is fed 0 to 1, as with rescale=1/255 (assumed; --input-range says otherwise{own})"
        )
    else:
        notes.append(f"it is fed the range {values}, as said")
    notes.append(
        "the file does not tell what it was trained on: novelty is 0, no thresholds are fitted, "
        "and probabilities are as the network gives them, not calibrated"
    )
    return notes
