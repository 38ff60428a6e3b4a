"""Which array of a Keras file belongs to which layer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.errors import ModelCorrupt
from tumorlens.train.keras.graph import MODELS
from tumorlens.train.keras.saved import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.train.keras.graph import Place
    from tumorlens.train.keras.saved import Saved
    from tumorlens.train.keras.tree import Array, Branch

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


@dataclass(frozen=True, slots=True)
class Variables:
    """How many arrays a layer has, trained ones first."""

    trained: int
    others: int = 0

    @property
    def count(self) -> int:
        """All of them."""
        return self.trained + self.others


def variables(place: Place) -> Variables:
    """The arrays of a layer of a kind that is understood; none for any other kind."""
    config = place.config
    bias = int(bool(config.get("use_bias", True)))
    if place.kind in {"Dense", "Conv2D", "DepthwiseConv2D"}:
        return Variables(1 + bias)
    if place.kind == "SeparableConv2D":
        return Variables(2 + bias)
    if place.kind == "BatchNormalization":
        return Variables(sum(bool(config.get(key, True)) for key in ("scale", "center")), 2)
    if place.kind == "Normalization" and config.get("mean") is None:
        return Variables(0, 3)
    if place.kind == "PReLU":
        return Variables(1)
    return Variables(0)


def arrays_of(saved: Saved, places: Sequence[Place]) -> dict[tuple[str, ...], list[Array]]:
    """Layer → its arrays in Keras' order, for all layers of a model.

    Layers are found by name; where a file names the weights of a nested model otherwise, by the
    order in which Keras writes them.

    Raises:
        ModelCorrupt: A layer's arrays are not in the file.
    """
    if saved.layout is Layout.NATIVE:
        return _native(saved, places)
    return _legacy(saved, places)


def _missing(saved: Saved, place: Place) -> ModelCorrupt:
    return ModelCorrupt(
        f"{saved.path}: the weights of layer {place.name} are not in the file; save it again"
    )


def _native(saved: Saved, places: Sequence[Place]) -> dict[tuple[str, ...], list[Array]]:
    keys = _native_keys(places)
    found = {}
    for place in places:
        if place.kind in MODELS:
            continue
        branch: Branch | None = saved.weights
        for depth in range(1, len(place.names) + 1):
            branch = _child(branch, place.names[:depth], keys)
        arrays = numbered_arrays(branch)
        if len(arrays) < variables(place).count:
            raise _missing(saved, place)
        found[place.names] = arrays
    return found


def numbered_arrays(branch: Branch | None) -> list[Array]:
    """The arrays ``vars/0``, ``vars/1``, … of a layer."""
    stored = branch.groups["vars"].arrays if branch and "vars" in branch.groups else {}
    return [stored[key] for key in sorted(stored, key=lambda key: (len(key), key))]


def _child(
    branch: Branch | None, names: tuple[str, ...], keys: dict[tuple[str, ...], str]
) -> Branch | None:
    """The group of a layer in the group of its model: by the name in it, or by kind and order."""
    for container in _CONTAINERS:
        group = branch.groups.get(container) if branch else None
        if group is None:
            continue
        for child in group.groups.values():
            own = child.groups.get("vars")
            if own is not None and own.text("name") == names[-1]:
                return child
        return group.groups.get(keys[names])
    return None


def _native_keys(places: Sequence[Place]) -> dict[tuple[str, ...], str]:
    """The group names of Keras 3: the kind in snake case, numbered within each model."""
    counts: Counter[tuple[tuple[str, ...], str]] = Counter()
    keys = {}
    for place in places:
        kind = _snake_case(place.kind)
        counted = (place.names[:-1], kind)
        keys[place.names] = f"{kind}_{counts[counted]}" if counts[counted] else kind
        counts[counted] += 1
    return keys


def _snake_case(kind: str) -> str:
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def _legacy(saved: Saved, places: Sequence[Place]) -> dict[tuple[str, ...], list[Array]]:
    found: dict[tuple[str, ...], list[Array]] = {}
    for top in dict.fromkeys(place.names[0] for place in places):
        inside = [p for p in places if p.names[0] == top and p.kind not in MODELS]
        named = named_arrays(saved, top)
        arrays = [array for _, array in named]
        if len(inside) == 1 and len(inside[0].names) == 1:
            _give(saved, found, inside[0], arrays)
        elif not _by_name(found, inside, named):
            _by_order(saved, found, inside, arrays)
    return found


def named_arrays(saved: Saved, layer: str) -> list[tuple[str, Array]]:
    """The (weight name, array) of a top-level layer of a legacy file, in its order.

    Raises:
        ModelCorrupt: An array that the file lists is not in it.
    """
    branch = saved.weights.groups.get(layer)
    names = branch.texts.get("weight_names", []) if branch else []
    try:
        return [(name, branch.at(name)) for name in names] if branch else []
    except KeyError as error:
        msg = f"{saved.path}: {layer} lists a weight {error} that is not in the file"
        raise ModelCorrupt(msg) from error


def _by_name(
    found: dict[tuple[str, ...], list[Array]],
    inside: Sequence[Place],
    named: Sequence[tuple[str, Array]],
) -> bool:
    """Give the arrays of a nested model to the layers that they name, if that fits all of them."""
    groups: dict[str, list[Array]] = {}
    for name, array in named:
        groups.setdefault(name.split("/")[-2] if "/" in name else "", []).append(array)
    last = Counter(place.names[-1] for place in inside if variables(place).count)
    fits = all(
        last[place.names[-1]] == 1
        and len(groups.get(place.names[-1], [])) == variables(place).count
        for place in inside
        if variables(place).count
    )
    if fits:
        for place in inside:
            found[place.names] = groups.get(place.names[-1], [])
    return fits


def _by_order(
    saved: Saved,
    found: dict[tuple[str, ...], list[Array]],
    inside: Sequence[Place],
    arrays: Sequence[Array],
) -> None:
    """Give them in the order that Keras writes: all that are trained, then all others."""
    left = iter(arrays)
    trained, others = {}, {}
    for place in inside:
        own = variables(place)
        trained[place.names] = own.trained if place.trainable else 0
        others[place.names] = own.count - trained[place.names]
    if sum(trained.values()) + sum(others.values()) != len(arrays):
        raise _missing(saved, inside[0])
    for place in inside:
        found[place.names] = [next(left) for _ in range(trained[place.names])]
    for place in inside:
        found[place.names] += [next(left) for _ in range(others[place.names])]


def _give(
    saved: Saved,
    found: dict[tuple[str, ...], list[Array]],
    place: Place,
    arrays: Sequence[Array],
) -> None:
    if len(arrays) < variables(place).count:
        raise _missing(saved, place)
    found[place.names] = list(arrays)
