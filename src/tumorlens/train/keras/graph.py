"""A Keras configuration as a list of steps, whichever version of Keras wrote it.

Models within models are laid out flat, so that the common "a MobileNetV2 as one layer of a
Sequential" is the same as its layers one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tumorlens.errors import ModelCorrupt, ModelIncompatible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MODELS = frozenset({"Functional", "Model", "Sequential"})
MAX_NESTING = 20
BATCH_RANK = 4
"""Batch, rows, columns, channels."""

_TENSOR = "__keras_tensor__"
_CONSTANT = "_CONSTANT_VALUE"
_HISTORY = 3
"""A tensor is named by a layer, which of its calls, and which of its outputs."""


@dataclass(frozen=True, slots=True)
class Place:
    """A layer of the file.

    Attributes:
        names: Its name, after the names of the models that it lies in.
        kind: Its class, such as ``Conv2D``.
        config: Its settings.
        trainable: Whether Keras would train it, which orders weights in old files.
    """

    names: tuple[str, ...]
    kind: str
    config: Mapping[str, Any] = field(hash=False, compare=False)
    trainable: bool = True

    @property
    def name(self) -> str:
        """As messages say it."""
        return f"{self.names[-1]} ({self.kind})"


@dataclass(frozen=True, slots=True)
class Value:
    """The number of the step whose output is meant; -1 is the image."""

    step: int


@dataclass(frozen=True, slots=True)
class Step:
    """A layer is called.

    Attributes:
        place: Which layer.
        inputs: What it is given: outputs of earlier steps, and constants.
    """

    place: Place
    inputs: tuple[Value | float, ...]

    @property
    def values(self) -> list[Value]:
        """Those of its inputs that are outputs of other steps."""
        return [value for value in self.inputs if isinstance(value, Value)]


@dataclass(frozen=True, slots=True)
class Graph:
    """What a model computes.

    Attributes:
        steps: In an order in which they can be run.
        output: Whose output is the model's.
        shape: (height, width, channels) of the image; None where the file leaves a size open.
        places: All layers, in the order of the file, unused ones included.
    """

    steps: tuple[Step, ...]
    output: Value
    shape: tuple[int | None, int | None, int | None]
    places: tuple[Place, ...]


def read_graph(config: dict[str, Any], path: Path) -> Graph:
    """The steps of a model's configuration.

    Raises:
        ModelCorrupt: The configuration contradicts itself.
        ModelIncompatible: It is a model of a kind that is not understood: made by code of its
            author, or with several inputs or outputs.
    """
    builder = _Builder(path)
    try:
        output = builder.model(config, [Value(-1)], ())
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        msg = f"{path}: its configuration cannot be followed ({type(error).__name__}: {error})"
        raise ModelCorrupt(msg) from error
    places = tuple(builder.places)
    return Graph(tuple(builder.steps), output, _image_shape(places, config), places)


class _Builder:
    """Walks a configuration and lays out its steps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: list[Step] = []
        self.places: list[Place] = []
        self.known: set[tuple[str, ...]] = set()

    def model(
        self, model: dict[str, Any], inputs: Sequence[Value], outer: tuple[str, ...]
    ) -> Value:
        """Lay out a model that is called on some values."""
        if len(outer) > MAX_NESTING:
            msg = f"{self.path}: its models lie within each other more than {MAX_NESTING} deep"
            raise ModelCorrupt(msg)
        kind, config = model["class_name"], model["config"]
        if len(inputs) != 1:
            msg = f"{self.path}: {kind} takes {len(inputs)} inputs; only one image is understood"
            raise ModelIncompatible(msg)
        if kind == "Sequential":
            return self._sequential(config, inputs[0], outer)
        if kind in MODELS and isinstance(config, dict) and "layers" in config:
            return self._functional(config, inputs[0], outer)
        msg = (
            f"{self.path}: its model is a {kind}, a class of its author's own, whose code is not "
            "in the file; rebuild it there as a Sequential or Functional model and save that"
        )
        raise ModelIncompatible(msg)

    def _sequential(self, config: Any, value: Value, outer: tuple[str, ...]) -> Value:
        layers = config if isinstance(config, list) else config["layers"]
        for layer in layers:
            place = self._place(layer, outer)
            value = self._call(layer, place, [value])
        return value

    def _functional(self, config: dict[str, Any], value: Value, outer: tuple[str, ...]) -> Value:
        layers = {_name(layer): layer for layer in config["layers"]}
        places = {name: self._place(layer, outer) for name, layer in layers.items()}
        source = self._only(_histories(config["input_layers"]), "input")
        target = self._only(_histories(config["output_layers"]), "output")
        found: dict[tuple[str, int], Value] = {(source[0], 0): value}
        waiting = [
            (name, number, call)
            for name, layer in layers.items()
            for number, call in enumerate(layer.get("inbound_nodes", []))
        ]
        while waiting:
            ready = [item for item in waiting if _needs(item[2]) <= found.keys()]
            if not ready:
                msg = f"layers wait for each other: {', '.join(sorted(n for n, _, _ in waiting))}"
                raise ValueError(msg)
            for name, number, call in ready:
                inputs = [found[a[0], a[1]] if isinstance(a, tuple) else a for a in _inputs(call)]
                found[name, number] = self._call(layers[name], places[name], inputs)
            waiting = [item for item in waiting if (item[0], item[1]) not in found]
        return found[target[0], target[1]]

    def _only(self, histories: list[tuple[str, int]], what: str) -> tuple[str, int]:
        if len(histories) != 1:
            msg = (
                f"{self.path}: the model has {len(histories)} {what}s; only models with one "
                "image and one answer are understood"
            )
            raise ModelIncompatible(msg)
        return histories[0]

    def _call(self, layer: dict[str, Any], place: Place, inputs: Sequence[Value | float]) -> Value:
        if place.kind == "InputLayer":
            return inputs[0]  # type: ignore[return-value]  # a Sequential's own, given the image
        if place.kind in MODELS:
            values = [value for value in inputs if isinstance(value, Value)]
            return self.model(layer, values, place.names)
        self.steps.append(Step(place, tuple(inputs)))
        return Value(len(self.steps) - 1)

    def _place(self, layer: dict[str, Any], outer: tuple[str, ...]) -> Place:
        kind, config = layer["class_name"], layer["config"]
        settings = config if isinstance(config, dict) else {}
        place = Place(
            (*outer, _name(layer)), str(kind), settings, bool(settings.get("trainable", True))
        )
        if place.names not in self.known:
            self.known.add(place.names)
            self.places.append(place)
        return place


def _name(layer: dict[str, Any]) -> str:
    config = layer["config"]
    name = layer.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return str(name or layer["class_name"].lower())


def _histories(value: Any) -> list[tuple[str, int]]:
    """The tensors that a list of histories names; Keras 3 writes a single one without a list."""
    if isinstance(value, dict):
        value = list(value.values())
    if len(value) >= _HISTORY and isinstance(value[0], str):
        value = [value]
    return [(str(name), int(node)) for name, node, *_ in value]


def _needs(call: Any) -> set[tuple[str, int]]:
    return {item for item in _inputs(call) if isinstance(item, tuple)}


def _inputs(call: Any) -> list[Any]:
    """What a call is given: (layer, call) for a tensor, and numbers."""
    if isinstance(call, dict):  # Keras 3
        return list(_of_keras3(call.get("args", [])))
    if call and isinstance(call[0], str):  # Keras 2, a function on one tensor
        call = [call]
    return [item for one in call for item in _of_keras2(one)]


def _of_keras3(value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and value.get("class_name") == _TENSOR:
        name, node, _ = value["config"]["keras_history"]
        yield str(name), int(node)
    elif isinstance(value, list):
        for item in value:
            yield from _of_keras3(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def _of_keras2(value: list[Any]) -> Iterator[Any]:
    name, node, third, *rest = value
    yield float(third) if name == _CONSTANT else (str(name), int(node))
    options = rest[0] if rest and isinstance(rest[0], dict) else {}
    other = options.get("y")
    if isinstance(other, int | float):
        yield float(other)
    elif isinstance(other, list) and len(other) == _HISTORY and isinstance(other[0], str):
        yield str(other[0]), int(other[1])


def _image_shape(
    places: Sequence[Place], model: dict[str, Any]
) -> tuple[int | None, int | None, int | None]:
    """The first shape of a batch of images that a layer names, or else the model."""
    keys = ("batch_shape", "batch_input_shape", "build_input_shape")
    for settings in [*(place.config for place in places), model["config"]]:
        for shape in (settings.get(key) for key in keys if isinstance(settings, dict)):
            if isinstance(shape, list) and len(shape) == BATCH_RANK:
                rows, columns, channels = (None if s is None else int(s) for s in shape[1:])
                return rows, columns, channels
    return None, None, None
