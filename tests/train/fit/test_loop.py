"""If these fail, a killed training run is lost, or ends somewhere else than it would have."""

import pytest
import torch

from tumorlens.data.split import split
from tumorlens.errors import DatasetError, ModelCorrupt, RecipeError
from tumorlens.train.architectures.classifier import build
from tumorlens.train.dataset import LabelledImages, label_weights, load_images
from tumorlens.train.fit import Epoch, answers, best_epoch, fit, partial_label_loss
from tumorlens.train.fit.spec import Balance, Monitor


@pytest.fixture(scope="module")
def entries(drawn_root):
    return split([drawn_root / "drawn"]).entries


@pytest.fixture
def images(entries, drawn_root, tiny_recipe):
    return load_images(drawn_root, entries, tiny_recipe())


def run(folder, recipe, images, epochs, on_epoch=None):
    torch.manual_seed(0)
    network = build(recipe.network, 4, recipe.input)
    fitted = fit(
        network,
        recipe,
        images.subset({3, 4, 5}),
        images.subset({2}),
        folder,
        epochs=epochs,
        device=torch.device("cpu"),
        on_epoch=on_epoch,
    )
    return network, fitted


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("fit.optimizer=sgd", "fit.schedule=plateau", "fit.step_epochs=1", "fit.average=0.9"),
        ("fit.optimizer=adam", "fit.schedule=step", "fit.class_weights=balanced"),
        ("network.trainable=1", "fit.sampler=inverse-root", "fit.label_smoothing=0.1"),
    ],
)
def test_a_killed_run_resumes_to_the_same_weights(tmp_path, tiny_recipe, images, settings):
    recipe = tiny_recipe("fit.epochs=2", *settings)
    unbroken, straight = run(tmp_path / "straight", recipe, images, 2)

    def kill(line):
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path / "killed", recipe, images, 2, kill)
    resumed, again = run(tmp_path / "killed", recipe, images, 2)
    for name, value in unbroken.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert [c.train_loss for c in again.curves] == [c.train_loss for c in straight.curves]


def test_a_run_that_is_complete_is_not_trained_again(tmp_path, tiny_recipe, images):
    recipe = tiny_recipe()
    run(tmp_path, recipe, images, 1)
    _, fitted = run(tmp_path, recipe, images, 1, lambda line: pytest.fail("trained again"))
    assert len(fitted.curves) == 1


def test_a_damaged_checkpoint_is_named(tmp_path, tiny_recipe, images):
    (tmp_path / "last.pt").write_bytes(b"half of a checkpo")
    with pytest.raises(ModelCorrupt, match=r"last\.pt: it is damaged"):
        run(tmp_path, tiny_recipe(), images, 1)


def test_training_stops_when_validation_no_longer_improves(tmp_path, tiny_recipe, images):
    recipe = tiny_recipe("fit.patience=1", "fit.learning_rate=0.5")
    _, fitted = run(tmp_path, recipe, images, 12)
    assert len(fitted.curves) < 12
    assert len(fitted.curves) - fitted.best_epoch == 1


def test_the_best_epoch_has_the_lowest_validation_loss_and_the_last_without_any():
    def line(number, loss):
        return Epoch(
            epoch=number, learning_rate=1, train_loss=1, validation_loss=loss,
            validation_accuracy=None, seconds=1,
        )  # fmt: skip

    assert best_epoch([line(1, 0.5), line(2, 0.3), line(3, 0.4)]) == 2
    assert best_epoch([line(1, None), line(2, None)]) == 2


def test_a_folder_that_is_no_class_is_named(entries, drawn_root, tiny_recipe):
    recipe = tiny_recipe("classes=['no_tumor','glioma']", "positive=['glioma']", "display={}")
    with pytest.raises(DatasetError, match="'meningioma' is none of the recipe's classes"):
        load_images(drawn_root, entries, recipe)


def test_rare_labels_are_drawn_more_often_than_their_share(images):
    kept = [i for i, e in enumerate(images.entries) if e.label == "glioma"][:2]
    kept += [i for i, e in enumerate(images.entries) if e.label == "no_tumor"][:8]
    chosen = LabelledImages(
        images.pixels[kept], images.allowed[kept], tuple(images.entries[i] for i in kept)
    )
    weights = label_weights(chosen, Balance.INVERSE_ROOT)
    assert torch.allclose(weights[0] / weights[-1], torch.tensor(2.0, dtype=torch.float64))


def learnt(images, labels):
    """Images of some labels, in order."""
    left = list(range(len(images)))
    kept = []
    for label in labels:
        kept.append(next(i for i in left if images.entries[i].label == label))
        left.remove(kept[-1])
    return LabelledImages(
        images.pixels[kept], images.allowed[kept], tuple(images.entries[i] for i in kept)
    )


def test_class_weights_make_each_label_count_the_same(images):
    few = learnt(images, ["glioma"] * 2 + ["no_tumor"] * 8)
    weights = label_weights(few, Balance.BALANCED)
    assert torch.isclose(weights[:2].sum(), weights[2:].sum())
    assert len(label_weights(few, Balance.NONE).unique()) == 1


def test_class_weights_move_answers_towards_the_rare_label(tmp_path, tiny_recipe, images):
    few = learnt(images, ["glioma"] * 2 + ["no_tumor"] * 8)

    def mean_probability(balance):
        recipe = tiny_recipe(
            "fit.batch=10", f"fit.class_weights={balance}", "fit.learning_rate=1e-2", "augment={}",
            "network.stages=[{filters=4}]", "network.dropout=0.0",
        )  # fmt: skip
        torch.manual_seed(0)
        network = build(recipe.network, 4, recipe.input)
        fit(network, recipe, few, None, tmp_path / balance, epochs=8, device=torch.device("cpu"))
        _, logits = answers(network, few, torch.device("cpu"))
        return torch.softmax(logits, dim=1)[:, 1].mean()

    assert mean_probability("balanced") > mean_probability("none") + 0.05


def test_without_a_sampler_each_image_is_learnt_from_once_an_epoch(
    tmp_path, tiny_recipe, images, monkeypatch
):
    seen = []
    changed = LabelledImages.changed

    def noting(self, chosen, *rest):
        seen.extend(chosen.tolist())
        return changed(self, chosen, *rest)

    monkeypatch.setattr(LabelledImages, "changed", noting)
    run(tmp_path, tiny_recipe("fit.sampler=none"), images, 1)
    assert sorted(seen) == list(range(len(images.subset({3, 4, 5}))))


def test_validation_images_are_never_changed(tmp_path, tiny_recipe, images, monkeypatch):
    """Augmentation is made to blacken all that it touches; validation must not notice."""
    monkeypatch.setattr("tumorlens.train.dataset.augment", lambda x, *_: torch.zeros_like(x))
    recipe = tiny_recipe("fit.learning_rate=1e-9")
    network, fitted = run(tmp_path, recipe, images, 1)
    held_out = images.subset({2})
    _, logits = answers(network, held_out, torch.device("cpu"))
    with torch.inference_mode():
        expected = network(held_out.pixels.float() / 255)
    assert torch.allclose(logits, expected, atol=1e-5)
    found = partial_label_loss(expected, held_out.allowed).item()
    assert fitted.curves[0].validation_loss == pytest.approx(found, rel=1e-4)


def test_frozen_layers_stay_as_they_are(tmp_path, tiny_recipe, images):
    recipe = tiny_recipe("network.trainable=head")
    torch.manual_seed(0)
    before = build(recipe.network, 4, recipe.input).state_dict()
    network, _ = run(tmp_path, recipe, images, 1)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("backbone"), name


def test_the_running_mean_of_the_weights_is_what_is_kept(tmp_path, tiny_recipe, images):
    settings = ("fit.learning_rate=1e-2",)
    plain, _ = run(tmp_path / "plain", tiny_recipe(*settings), images, 1)
    mean, _ = run(tmp_path / "mean", tiny_recipe(*settings, "fit.average=0.99"), images, 1)
    last = torch.load(tmp_path / "mean" / "last.pt", weights_only=True)["network"]
    for name, value in plain.state_dict().items():
        assert torch.equal(value, last[name]), name  # the steps themselves are the same
    assert not torch.equal(mean.predictions.weight, last["predictions.weight"])


def test_a_loss_that_is_no_number_is_told_with_what_to_do(tmp_path, tiny_recipe, images):
    recipe = tiny_recipe("fit.learning_rate=1e30")
    with pytest.raises(RecipeError, match=r"no longer a number .* lower fit\.learning_rate"):
        run(tmp_path, recipe, images, 2)


def test_half_precision_on_a_cpu_is_refused(tmp_path, tiny_recipe, images):
    with pytest.raises(RecipeError, match="needs a CUDA device"):
        run(tmp_path, tiny_recipe("fit.precision=fp16"), images, 1)


def test_accuracy_may_choose_the_epoch():
    def line(number, loss, accuracy):
        return Epoch(
            epoch=number, learning_rate=1, train_loss=1, validation_loss=loss,
            validation_accuracy=accuracy, seconds=1,
        )  # fmt: skip

    curves = [line(1, 0.5, 0.7), line(2, 0.6, 0.9), line(3, 0.4, 0.9)]
    assert (best_epoch(curves), best_epoch(curves, Monitor.ACCURACY)) == (3, 2)
