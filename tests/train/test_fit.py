"""If these fail, a killed training run is lost, or ends somewhere else than it would have."""

import math

import pytest
import torch

from tumorlens.data.split import split
from tumorlens.errors import DatasetError, ModelCorrupt
from tumorlens.train.architectures.classifier import build
from tumorlens.train.dataset import LabelledImages, label_weights, load_images
from tumorlens.train.fit import Epoch, best_epoch, fit, partial_label_loss
from tumorlens.train.fit.spec import Balance


@pytest.fixture(scope="module")
def entries(drawn_root):
    return split([drawn_root / "drawn"]).entries


@pytest.fixture
def images(entries, drawn_root, small_recipe):
    return load_images(drawn_root, entries, small_recipe())


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


def test_a_killed_run_resumes_to_the_same_weights(tmp_path, small_recipe, images):
    recipe = small_recipe("fit.batch=8", "fit.epochs=2")
    unbroken, straight = run(tmp_path / "straight", recipe, images, 2)

    def kill(line):
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path / "killed", recipe, images, 2, kill)
    resumed, again = run(tmp_path / "killed", recipe, images, 2)
    for name, value in unbroken.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert [c.train_loss for c in again.curves] == [c.train_loss for c in straight.curves]


def test_a_run_that_is_complete_is_not_trained_again(tmp_path, small_recipe, images):
    recipe = small_recipe("fit.batch=8")
    run(tmp_path, recipe, images, 1)
    _, fitted = run(tmp_path, recipe, images, 1, lambda line: pytest.fail("trained again"))
    assert len(fitted.curves) == 1


def test_a_damaged_checkpoint_is_named(tmp_path, small_recipe, images):
    (tmp_path / "last.pt").write_bytes(b"half of a checkpo")
    with pytest.raises(ModelCorrupt, match=r"last\.pt: it is damaged"):
        run(tmp_path, small_recipe(), images, 1)


def test_training_stops_when_validation_no_longer_improves(tmp_path, small_recipe, images):
    recipe = small_recipe("fit.patience=1", "fit.batch=8", "fit.learning_rate=0.5")
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


class TestPartialLabels:
    def test_one_allowed_class_is_cross_entropy(self):
        logits = torch.randn(5, 4)
        truth = torch.tensor([0, 1, 2, 3, 1])
        allowed = torch.nn.functional.one_hot(truth, 4).bool()
        expected = torch.nn.functional.cross_entropy(logits, truth)
        assert torch.allclose(partial_label_loss(logits, allowed), expected)

    def test_a_tumor_of_unknown_kind_costs_only_its_missing_tumor_probability(self):
        logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
        allowed = torch.tensor([[False, True, True, True]])
        share = torch.softmax(logits, dim=1)[0, 1:].sum().item()
        assert math.isclose(
            partial_label_loss(logits, allowed).item(), -math.log(share), rel_tol=1e-5
        )

    def test_a_folder_that_is_no_class_is_named(self, entries, drawn_root, small_recipe):
        recipe = small_recipe("classes=['no_tumor','glioma']", "positive=['glioma']", "display={}")
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
