"""If these fail, a mistyped setting trains something else than the user asked for."""

import itertools

import pytest

from tumorlens.errors import DatasetError, RecipeError
from tumorlens.model.registry import load_model
from tumorlens.train.architectures.classifier import build
from tumorlens.train.architectures.summary import summary
from tumorlens.train.fit.spec import Optimizer, Schedule
from tumorlens.train.recipe import Recipe, load_recipe, recipe_names

FOUR = ("glioma", "meningioma", "pituitary", "no_tumor")


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid_and_named_as_its_file(name):
    assert load_recipe(name).name == name


def test_the_wheel_would_hold_a_recipe():
    assert "mobilenetv2-4class" in recipe_names()


def test_values_are_set_by_dotted_keys():
    recipe = load_recipe("mobilenetv2-4class", ["fit.epochs=3", "augment.flip=false", "title=x"])
    assert (recipe.fit.epochs, recipe.augment.flip, recipe.title) == (3, False, "x")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fit.epoch=3", "fit.epoch: no such setting; did you mean epochs"),
        ("network.stages=[{filter=3}]", "stages.0.filter: no such setting; did you mean filters"),
        ("fit.x=3", "fit.x: no such setting; there are: epochs, patience"),
        ("fits.epochs=3", "fits: no such setting; did you mean fit"),
        ("fit.epochs=many", "fit.epochs"),
        ("fit.epochs", "key=value"),
        ("seed.x=1", "seed is a value"),
        ("data.validation_fold=1", "must differ"),
        ("positive=['stroke']", "do not exist"),
        ("fit.learning_rate=nan", "learning_rate"),
    ],
)
def test_a_wrong_setting_is_named(setting, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("mobilenetv2-4class", [setting])


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(RecipeError, match="did you mean mobilenetv2-4class"):
        load_recipe("mobilenetv2-4clas")


def test_a_recipe_of_ones_own_is_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("name = [")
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(tmp_path / "gone.toml"))


class TestClassesFromFolders:
    def test_yes_and_no_folders_are_tumor_against_none(self):
        recipe = load_recipe("mobilenetv2-binary").for_labels(["tumor", "no_tumor"] * 3)
        assert (recipe.classes, recipe.positive) == (("no_tumor", "tumor"), ("tumor",))
        assert (recipe.task, recipe.network.output) == ("binary", "sigmoid")

    def test_a_new_kind_of_tumor_is_a_folder_away(self):
        recipe = load_recipe("mobilenetv2-binary").for_labels([*FOUR, "metastasis"])
        kinds = ("glioma", "meningioma", "metastasis", "pituitary")
        assert (recipe.classes, recipe.positive) == (("no_tumor", *kinds), kinds)
        assert (recipe.task, recipe.network.output) == ("multiclass", "softmax")

    def test_a_tumor_of_unknown_kind_is_no_class_beside_kinds(self):
        recipe = load_recipe("cnn-4class").for_labels([*FOUR, "tumor"])
        assert "tumor" not in recipe.classes

    def test_classes_that_are_named_stay(self):
        recipe = load_recipe("mobilenetv2-4class")
        assert recipe.for_labels(["tumor"]) is recipe

    def test_words_for_classes_that_are_not_there_are_left_out(self):
        recipe = load_recipe("cnn-4class").for_labels(["no_tumor", "glioma", "cyst"])
        assert recipe.display == {"no_tumor": "no tumor"}

    def test_benign_and_malignant_need_to_be_told_apart_by_name(self):
        recipe = load_recipe("cnn-binary")
        with pytest.raises(DatasetError, match="no class of benign, malignant is free of tumors"):
            recipe.for_labels(["benign", "malignant"])
        named = load_recipe("cnn-binary", ["positive=['malignant']"])
        assert named.for_labels(["malignant", "benign"]).classes == ("benign", "malignant")

    def test_one_class_is_none(self):
        with pytest.raises(DatasetError, match="all of one class"):
            load_recipe("cnn-binary").for_labels(["no_tumor"])

    def test_a_tumor_that_is_not_there_is_named(self):
        recipe = load_recipe("cnn-binary", ["positive=['stroke']"])
        with pytest.raises(RecipeError, match="stroke"):
            recipe.for_labels(["tumor", "no_tumor"])


def test_the_bundled_model_says_how_it_was_trained_in_words_of_today():
    recipe = Recipe.of_model(load_model().metadata)
    assert recipe == load_recipe("tumorlens-v1", ["fit.refit=true"])
    assert (recipe.fit.optimizer, recipe.fit.schedule) == (Optimizer.ADAMW, Schedule.COSINE)


def test_a_recipe_trains_one_thing(tmp_path):
    (tmp_path / "none.toml").write_text("""
name = "none"
title = "nothing"
[input]
height = 64
width = 64
[data]
sources = ["drawn"]
""")
    with pytest.raises(RecipeError, match="exactly one of the tables"):
        load_recipe(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("classes=['no_tumor','glioma','cyst']", "one sigmoid unit is for two classes"),
        ("classes=['no_tumor','no_tumor']", "two or more that differ"),
        ("classes=['no_tumor','tumor']", "positive must name"),
        ("classes=all", "classes"),
    ],
)
def test_classes_that_cannot_be_are_named(setting, message):
    settings = [setting] if "tumor','tumor" in setting else [setting, "positive=['glioma']"]
    with pytest.raises(RecipeError, match=message):
        load_recipe("mobilenetv2-binary", settings)


@pytest.mark.parametrize(
    ("name", "trainable", "frozen"),
    [
        ("mobilenetv2-binary", 1_281, 2_257_984),
        ("mobilenet-binary", 50_177, 3_228_864),
        ("cnn-binary", 5_615_553, 0),
        ("mobilenetv2-4class", 2_228_996, 34_112),
    ],
)
def test_a_recipe_has_as_many_parameters_as_what_it_reproduces(name, trainable, frozen):
    recipe = load_recipe(name)
    recipe = recipe.for_labels(["tumor", "no_tumor"] if "binary" in name else FOUR)
    found = summary(build(recipe.network, len(recipe.classes), recipe.input))
    assert (found.trainable, found.frozen) == (trainable, frozen)


REPRODUCED = [
    name
    for name in recipe_names()
    if load_recipe(name).network is not None and name != "mobilenetv2-4class"
]


@pytest.mark.parametrize("name", REPRODUCED)
def test_a_recipe_that_reproduces_a_network_says_what_its_authors_reported(name):
    recipe = load_recipe(name)
    assert recipe.reported.value > 0.5
    assert recipe.reported.on


def test_a_recipe_drops_nothing_that_a_batch_norm_reads():
    """Dropout spreads what a batch norm learns and not what it then answers by.

    A network that does so learns well by the statistics of a batch, and answers far worse by those
    that are in its file.
    """
    for name in recipe_names():
        network = load_recipe(name).network
        stages = network.stages if network is not None else ()
        for before, after in itertools.pairwise(stages):
            assert not (before.dropout and after.batch_norm), name
