"""How a model was made, as far as its file and its training run say."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tumorlens.data.split import SplitBy
from tumorlens.errors import DatasetError, RecipeError
from tumorlens.evaluate.evaluation import Made, Said
from tumorlens.train.recipe import Recipe, load_recipe, recipe_names
from tumorlens.train.run import open_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tumorlens.model.format import ModelMetadata

_WITHOUT_EFFECT = ("title", "display", "data.split", "data.sources", "sources.", "reported.")
"""Settings that change no weight, and the sets and their split, which are told by themselves."""


def made_of(metadata: ModelMetadata, run: Path | None = None) -> Made | None:
    """How a model was made; None for one that was made elsewhere.

    Args:
        metadata: Of the model.
        run: The folder of its training run, where it is at hand: it says how long training took.

    Raises:
        RecipeError: The folder holds no training run.
    """
    try:
        recipe = Recipe.model_validate(metadata.recipe)
    except ValidationError:
        return None
    trainable, frozen = _parameters(recipe)
    said = recipe.reported
    return Made(
        recipe=recipe.name,
        title=recipe.title,
        split=SplitBy(recipe.data.split).value,
        sources=recipe.data.sources,
        changes=_changes(recipe),
        trainable=trainable,
        frozen=frozen,
        seconds=None if run is None else open_run(run).seconds,
        reported=None
        if said is None
        else Said(figure=said.figure, value=said.value, on=said.on, by=said.by),
    )


def _changes(recipe: Recipe) -> dict[str, str]:
    """Setting → value, of those that the recipe of this name has otherwise."""
    if recipe.name not in recipe_names():
        return {}
    shipped = load_recipe(recipe.name)
    with suppress(DatasetError, RecipeError):  # classes that the shipped one would not take
        shipped = shipped.for_labels(recipe.classes)
    before, now = _flat(shipped.model_dump(mode="json")), _flat(recipe.model_dump(mode="json"))
    return {
        key: str(value)
        for key, value in now.items()
        if before.get(key) != value and not key.startswith(_WITHOUT_EFFECT)
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested table as dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _parameters(recipe: Recipe) -> tuple[int | None, int | None]:
    """Parameters that training changed, and that it did not; None where there is no network."""
    if recipe.network is None:
        return None, None
    from tumorlens.train.architectures.classifier import build
    from tumorlens.train.architectures.summary import summary

    network = build(recipe.network, len(recipe.classes), recipe.input)
    found = summary(network)
    return found.trainable, found.frozen
