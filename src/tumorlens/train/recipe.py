"""Recipes: everything that a training run depends on, in one checked TOML file."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tumorlens.data.index import NO_TUMOR, TUMOR
from tumorlens.data.split import SplitBy
from tumorlens.errors import DatasetError, RecipeError
from tumorlens.model.format import Fraction, InputSpec
from tumorlens.train.architectures.spec import NetworkSpec
from tumorlens.train.augment.spec import AugmentRecipe
from tumorlens.train.classical.spec import ClassicalSpec
from tumorlens.train.dense.spec import DenseSpec
from tumorlens.train.fit.spec import FitRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tumorlens.model.format import ModelMetadata

METHODS = ("network", "classical", "dense")
"""The parts of a recipe that say what is trained; a recipe has one of them."""

FOLDERS = "folders"
"""Written for the classes of a recipe that takes them from the data."""

IMPORTED_FROM = "imported_from"
"""What a model file has for a recipe where the model was made elsewhere: where it came from."""

TWO = 2


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataRecipe(_Strict):
    """Which sets, how they are split, and which of their folds stand on which side.

    Attributes:
        sources: The sets, each a folder's name.
        split: What decides on which side an image stands.
        test_fold: Never opened in training.
        validation_fold: Chooses the epoch and what decides.
    """

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    split: SplitBy = SplitBy.AUTO
    test_fold: Annotated[int, Field(ge=1)] = 1
    validation_fold: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _differ(self) -> DataRecipe:
        if self.test_fold == self.validation_fold:
            msg = f"test_fold and validation_fold must differ, both are {self.test_fold}"
            raise ValueError(msg)
        return self


class SourceTerms(_Strict):
    """Under what terms a set is used, and whom to cite."""

    licence: str
    citation: str


class Reported(_Strict):
    """What the authors of the system that a recipe reproduces say of it.

    Attributes:
        figure: What was measured, such as ``validation accuracy``.
        value: It.
        on: The images that it was measured on.
        by: Who said so, in general words.
        details: What else they say.
    """

    figure: str
    value: Fraction
    on: str
    by: str
    details: str = ""


def _named_by_folders(value: object) -> object:
    return () if value == FOLDERS else value


class Recipe(_Strict):
    """A training run, whole.

    Attributes:
        name: Of the recipe, and of the model that comes of it.
        title: In words.
        network: What is trained, where it is a network that names classes.
        classical: What is fitted, where it is features and a classifier from before networks.
        dense: What is trained, where it is the network that marks lesions and decides from them.
        task: ``binary`` for tumor against no tumor, else ``multiclass``.
        classes: Their names in the order of the outputs; none (``"folders"``) takes them from the
            labels of the data.
        positive: Those of the classes that are tumors; none stands for all but no tumor.
        display: Class name → the words that a reader is shown.
        seed: Decides the deal of the folds and every chance in training.
        input: What the network takes.
        data: The sets and their sides.
        fit: How the weights are found.
        augment: How training images are changed.
        sources: Terms and citations of the sets.
        reported: What the authors of the system that it reproduces say of it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    title: str
    network: NetworkSpec | None = None
    classical: ClassicalSpec | None = None
    dense: DenseSpec | None = None
    task: Literal["binary", "multiclass"] = "multiclass"
    classes: Annotated[tuple[str, ...], BeforeValidator(_named_by_folders)] = ()
    positive: tuple[str, ...] = ()
    display: dict[str, str] = {}
    seed: Annotated[int, Field(ge=0)] = 0
    input: InputSpec
    data: DataRecipe
    fit: FitRecipe = FitRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    sources: dict[str, SourceTerms] = {}
    reported: Reported | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_the_first_layout(cls, values: Any) -> Any:
        """A recipe from before there were several architectures: its one network, spelt out."""
        if not isinstance(values, dict) or "architecture" not in values:
            return values
        values = dict(values)
        fit = dict(values.get("fit", {}))
        values["network"] = {
            "architecture": values.pop("architecture"),
            "dropout": fit.pop("dropout", NetworkSpec.model_fields["dropout"].default),
        }
        return values | {"fit": fit}

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        methods = [name for name in METHODS if getattr(self, name) is not None]
        if len(methods) != 1:
            msg = f"needs exactly one of the tables {', '.join(METHODS)}; has {len(methods)}"
            raise ValueError(msg)
        if self.classes:
            _check_classes(self)
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

    def for_labels(self, labels: Iterable[str]) -> Recipe:
        """The recipe with its classes named; the same where it names them itself.

        No tumor comes first, then the others in alphabetical order. The label ``tumor`` is a class
        of its own where no kind of tumor is known; beside kinds, it says that the kind is unknown.
        One unit decides between two classes only: with more of them, each gets its own.

        Args:
            labels: Of the images that are learnt from, in any order and number.

        Raises:
            DatasetError: They are fewer than two, or no class among them is free of tumors.
        """
        if self.classes:
            return self
        found = set(labels)
        kinds = found - {NO_TUMOR, TUMOR}
        classes = tuple(
            sorted(kinds or found - {NO_TUMOR}, key=lambda name: (name in self.positive, name))
        )
        if NO_TUMOR in found:
            classes = (NO_TUMOR, *classes)
        if len(classes) < TWO:
            msg = f"the images are all of one class ({', '.join(found)}); add images of another"
            raise DatasetError(msg)
        positive = self.positive or tuple(name for name in classes if name != NO_TUMOR)
        if set(classes) <= set(positive):
            msg = (
                f"no class of {', '.join(classes)} is free of tumors; add images without one in a "
                "folder no_tumor, or name the tumors with --set \"positive=['…']\""
            )
            raise DatasetError(msg)
        network = self.network
        if network is not None and len(classes) > TWO and network.output == "sigmoid":
            network = network.model_copy(update={"output": "softmax"})
        named = {
            **self.model_dump(),
            "task": "binary" if len(classes) == TWO else "multiclass",
            "classes": classes,
            "positive": positive,
            "display": {name: words for name, words in self.display.items() if name in classes},
            "network": network and network.model_dump(),
        }
        try:
            return Recipe.model_validate(named)
        except ValidationError as error:
            msg = f"recipe {self.name}: {_problems(error)}"
            raise RecipeError(msg) from error


def _check_classes(recipe: Recipe) -> None:
    classes, positive = recipe.classes, set(recipe.positive)
    if len(classes) < TWO or len(set(classes)) < len(classes):
        msg = f"classes must be two or more that differ, got {list(classes)}"
        raise ValueError(msg)
    if unknown := positive - set(classes):
        msg = f"positive names classes that do not exist: {sorted(unknown)}"
        raise ValueError(msg)
    if not positive:
        msg = "positive must name the classes that are tumors"
        raise ValueError(msg)
    if positive == set(classes):
        msg = "at least one class must not be a tumor"
        raise ValueError(msg)
    if recipe.network and recipe.network.output == "sigmoid" and len(classes) != TWO:
        msg = f"one sigmoid unit is for two classes, not {len(classes)}; set network.output=softmax"
        raise ValueError(msg)


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
        msg = f"recipe {name_or_path}: {_problems(error)}"
        raise RecipeError(msg) from error


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'recipe'}: "
        f"{_no_setting(e['loc']) if e['type'] == 'extra_forbidden' else e['msg']}"
        for e in error.errors()
    )


def _no_setting(place: Sequence[str | int]) -> str:
    """What is said of a name that is no setting: which one it may mean, or which there are."""
    *tables, name = place
    table: type[BaseModel] = Recipe
    for part in tables:
        if isinstance(part, str) and part in table.model_fields:
            table = _table_in(table.model_fields[part].annotation) or table
    names = list(table.model_fields)
    close = difflib.get_close_matches(str(name), names, n=1)
    said = f"did you mean {close[0]}?" if close else f"there are: {', '.join(names)}"
    return f"no such setting; {said}"


def _table_in(annotation: object) -> type[BaseModel] | None:
    """The table that an annotation speaks of, such as that in ``tuple[Stage, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_in(part))), None)


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
        msg = (
            f"no recipe {name_or_path!r}; {hint}there are: {', '.join(names)}; or name a .toml "
            "file of your own"
        )
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
