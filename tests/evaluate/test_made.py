"""If these fail, the table of recipes counts what was not trained, or the wrong time."""

import json

import pytest

from tests.conftest import tiny_metadata
from tumorlens.errors import RecipeError
from tumorlens.evaluate.made import made_of
from tumorlens.train.recipe import load_recipe


@pytest.fixture
def metadata():
    recipe = load_recipe("mobilenetv2-4class", ["network.trainable=head", "data.split=authors"])
    return tiny_metadata(recipe=recipe.model_dump(mode="json"))


def test_a_model_says_what_of_it_was_trained_and_on_which_split(metadata):
    made = made_of(metadata)
    # The dense layer alone: 1,280 features for each of four classes, and their biases.
    assert (made.trainable, made.frozen) == (4 * 1281, 2257984)
    assert (made.recipe, made.split, made.seconds) == ("mobilenetv2-4class", "authors", None)


def test_what_was_set_otherwise_than_the_recipe_says_is_part_of_its_name(metadata):
    """Otherwise a shortened run passes for the recipe; the split has a column of its own."""
    assert made_of(metadata).changes == {"network.trainable": "head"}
    same = load_recipe("mobilenetv2-binary").for_labels(["tumor", "no_tumor"])
    assert made_of(tiny_metadata(recipe=same.model_dump(mode="json"))).changes == {}


def test_the_time_is_that_of_the_run(metadata, tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps(metadata.recipe))
    assert made_of(metadata, tmp_path).seconds is None
    (tmp_path / "time.json").write_text('{"seconds": 6.5}')
    assert made_of(metadata, tmp_path).seconds == 6.5
    (tmp_path / "time.json").write_text("damaged")
    assert made_of(metadata, tmp_path).seconds is None


def test_a_model_from_elsewhere_says_nothing():
    assert made_of(tiny_metadata()) is None


def test_a_folder_without_a_run_is_refused(metadata, tmp_path):
    with pytest.raises(RecipeError, match="no training run"):
        made_of(metadata, tmp_path)
