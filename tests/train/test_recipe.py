"""If these fail, a mistyped setting trains something else than the user asked for."""

import pytest

from tumorlens.errors import RecipeError
from tumorlens.train.recipe import load_recipe, recipe_names


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
        ("fit.epoch=3", "fit.epoch"),
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
