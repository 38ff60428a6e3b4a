"""If these fail, tuning tries settings that mean nothing, or other ones than it says."""

import optuna
import pytest

from tumorlens.errors import RecipeError
from tumorlens.train.recipe import Recipe, load_recipe
from tumorlens.train.tune.knobs import Knob
from tumorlens.train.tune.space import Space


def space_of(recipe, *knobs, has_weights=True, images=400):
    return Space(recipe, knobs, stages=17, images=images, has_weights=has_weights)


@pytest.fixture
def study():
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))


@pytest.mark.parametrize("name", ["mobilenetv2-4class", "mobilenetv2-binary"])
def test_what_is_tried_is_a_recipe_that_loads(name, study):
    recipe = load_recipe(name)
    space = space_of(recipe)
    assert set(space.knobs) == set(Knob)
    for _ in range(20):
        params = space.suggest(study.ask())
        settled = space.settle(params)
        assert Recipe.model_validate(settled.model_dump(mode="json")) == settled
        assert settled.fit.learning_rate == params[Knob.LEARNING_RATE]
        assert settled.fit.weight_decay == params[Knob.WEIGHT_DECAY]
        assert settled.fit.batch == params[Knob.BATCH] <= 100
        assert settled.network.dropout == params[Knob.DROPOUT]
        assert settled.network.trainable == params[Knob.DEPTH]
        assert settled.augment == recipe.augment.scaled(params[Knob.AUGMENTATION])


def test_the_depths_go_from_the_head_to_all_layers(study):
    space = space_of(load_recipe("mobilenetv2-binary"), Knob.DEPTH)
    tried = {space.suggest(study.ask())[Knob.DEPTH] for _ in range(100)}
    assert tried == {"head", 1, 2, 4, 8, 16, "all"}


def test_only_what_is_asked_for_changes(study):
    recipe = load_recipe("mobilenetv2-binary")
    space = space_of(recipe, Knob.DROPOUT)
    settled = space.settle(space.suggest(study.ask()))
    assert settled.network.dropout != recipe.network.dropout
    assert settled.fit == recipe.fit
    assert settled.augment == recipe.augment


def test_the_recipe_itself_can_be_tried(study):
    """The best settings found must never be worse than those that were there."""
    for name in ("mobilenetv2-4class", "mobilenetv2-binary", "cnn-binary"):
        recipe = load_recipe(name)
        space = space_of(recipe)
        study.enqueue_trial(space.own())
        settled = space.settle(space.suggest(study.ask()))
        expected = recipe.fit.weight_decay or 1e-6
        assert settled.fit == recipe.fit.model_copy(update={"weight_decay": expected})
        assert settled.network == recipe.network
        assert settled.augment == recipe.augment


def test_what_means_nothing_is_left_out_and_told_where_it_is_asked_for():
    recipe = load_recipe("mobilenetv2-4class")
    plain = recipe.model_copy(update={"augment": recipe.augment.scaled(0)})
    assert Knob.AUGMENTATION not in space_of(plain).knobs
    assert Knob.DEPTH not in space_of(recipe, has_weights=False).knobs
    with pytest.raises(RecipeError, match="augmentation cannot be tuned: the recipe changes"):
        space_of(plain, Knob.AUGMENTATION)
    with pytest.raises(RecipeError, match=r"depth cannot be tuned: .* name weights with --init"):
        space_of(recipe, Knob.DEPTH, has_weights=False)


def test_no_batch_is_tried_that_leaves_too_few_steps(study):
    space = space_of(load_recipe("mobilenetv2-binary"), Knob.BATCH, images=70)
    assert {space.suggest(study.ask())[Knob.BATCH] for _ in range(60)} == {8, 16, 32}
