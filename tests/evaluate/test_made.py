"""If these fail, the table of recipes counts what was not trained, or the wrong time."""

import pytest

from tests.conftest import tiny_metadata
from tumorlens.errors import DatasetError
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


def test_the_time_is_that_of_all_epochs_of_all_fits(metadata, tmp_path):
    for name, seconds in (("select", (1.5, 2)), ("refit", (3,))):
        (tmp_path / name).mkdir()
        lines = [f"{number},{second}" for number, second in enumerate(seconds, start=1)]
        (tmp_path / name / "curves.csv").write_text("\n".join(["epoch,seconds", *lines]))
    assert made_of(metadata, tmp_path).seconds == 6.5


def test_a_model_from_elsewhere_says_nothing():
    assert made_of(tiny_metadata()) is None


def test_a_folder_without_a_run_is_refused(metadata, tmp_path):
    with pytest.raises(DatasetError, match=r"no curves\.csv"):
        made_of(metadata, tmp_path)
    (tmp_path / "select").mkdir()
    (tmp_path / "select" / "curves.csv").write_text("epoch\n1\n")
    with pytest.raises(DatasetError, match="not the curves"):
        made_of(metadata, tmp_path)
