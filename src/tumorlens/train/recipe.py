"""Recipes: everything that a training run depends on, in one checked TOML file."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tumorlens.errors import RecipeError
from tumorlens.model.format import InputSpec
from tumorlens.train.augment.spec import AugmentRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.model.format import ModelMetadata

Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataRecipe(_Strict):
    """Which sets, and which of their folds stand on which side."""

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    test_fold: Annotated[int, Field(ge=1)] = 1
    validation_fold: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _differ(self) -> DataRecipe:
        if self.test_fold == self.validation_fold:
            msg = f"test_fold and validation_fold must differ, both are {self.test_fold}"
            raise ValueError(msg)
        return self


class FitRecipe(_Strict):
    """How the weights are found.

    Attributes:
        epochs: Most passes over the training images.
        patience: Passes without a better validation loss after which training stops.
        batch: Images a step.
        learning_rate: The highest; it rises over the warm-up and falls to 0 along a cosine.
        weight_decay: Of AdamW, on weights that are not biases or normalisation.
        warmup_epochs: Passes over which the learning rate rises.
        dropout: Before the dense layer.
        precision: ``bf16`` computes in bfloat16 where the device gains from it, ``fp32`` never.
        refit: Train once more, for the best number of epochs, with the validation fold among the
            training folds. What decides (temperature, thresholds) stays from the first run,
            whose validation images were held out.
    """

    epochs: Annotated[int, Field(ge=1, le=1000)] = 10
    patience: Annotated[int, Field(ge=1)] = 3
    batch: Annotated[int, Field(ge=2, le=4096)] = 32
    learning_rate: Positive = 5e-4
    weight_decay: NotNegative = 0.02
    warmup_epochs: NotNegative = 1
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    precision: Literal["fp32", "bf16"] = "fp32"
    refit: bool = False


class SourceTerms(_Strict):
    """Under what terms a set is used, and whom to cite."""

    licence: str
    citation: str


class Recipe(_Strict):
    """A training run, whole."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    title: str
    architecture: Literal["mobilenetv2"]
    task: Literal["binary", "multiclass"]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    positive: Annotated[tuple[str, ...], Field(min_length=1)]
    display: dict[str, str] = {}
    seed: Annotated[int, Field(ge=0)] = 0
    input: InputSpec
    data: DataRecipe
    fit: FitRecipe = FitRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    sources: dict[str, SourceTerms] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if unknown := set(self.positive) - set(self.classes):
            msg = f"positive names classes that do not exist: {sorted(unknown)}"
            raise ValueError(msg)
        if set(self.positive) == set(self.classes):
            msg = "at least one class must not be a tumor"
            raise ValueError(msg)
        return self

    @classmethod
    def of_model(cls, metadata: ModelMetadata) -> Recipe:
        """The recipe that a model file says it was trained by.

        Raises:
            RecipeError: It says nothing, or something that is not understood here.
        """
        try:
            return cls.model_validate(metadata.recipe)
        except ValidationError as error:
            msg = f"model {metadata.name}: its file does not say how it was trained"
            raise RecipeError(msg) from error


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    folder = resources.files("tumorlens") / "recipes"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if ".toml" in entry.name
    )


def load_recipe(name_or_path: str, settings: Iterable[str] = ()) -> Recipe:
    """A recipe by name, or from a TOML file, with values set on it.

    Args:
        name_or_path: A name of `recipe_names`, or the path of a ``.toml`` file.
        settings: ``key=value`` each; a key is dotted (``fit.epochs=3``), a value is TOML, or a
            bare word for a string.

    Raises:
        RecipeError: No such recipe, not TOML, or a key or value that is wrong.
    """
    values = _parse(_text(name_or_path), name_or_path)
    for setting in settings:
        _apply(values, setting)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()
        )
        msg = f"recipe {name_or_path}: {problems}"
        raise RecipeError(msg) from error


def _text(name_or_path: str) -> str:
    if name_or_path.endswith(".toml"):
        try:
            return Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"recipe {name_or_path}: cannot be read ({error})"
            raise RecipeError(msg) from error
    names = recipe_names()
    if name_or_path not in names:
        close = difflib.get_close_matches(name_or_path, names, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        msg = f"no recipe {name_or_path!r}; {hint}there are: {', '.join(names)}"
        raise RecipeError(msg)
    return (resources.files("tumorlens") / "recipes" / f"{name_or_path}.toml").read_text("utf-8")


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"recipe {name}: not TOML ({error})"
        raise RecipeError(msg) from error


def _apply(values: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        msg = f"--set {setting!r}: write key=value, such as fit.epochs=3"
        raise RecipeError(msg)
    *path, last = key.strip().split(".")
    table = values
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            msg = f"--set {setting!r}: {part} is a value, not a table"
            raise RecipeError(msg)
    try:
        table[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = text
