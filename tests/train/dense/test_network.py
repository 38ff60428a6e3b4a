import pytest
import torch

from tumorlens.train.dense.losses import Taught, dense_loss
from tumorlens.train.dense.network import (
    DenseOutputs,
    Evidence,
    LesionNetwork,
    draw_out,
    pool_under,
)
from tumorlens.train.dense.spec import Encoder, LossSpec


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return LesionNetwork(3).eval()


def test_one_pass_gives_all_answers(network):
    with torch.inference_mode():
        outputs = network(torch.rand(2, 1, 96, 128))
    assert outputs.marks.shape == (2, 1, 48, 64)
    assert outputs.tumor.shape == (2,)
    assert outputs.kinds.shape == (2, 3)


def test_a_picture_and_its_mirror_image_get_the_same_answer():
    torch.manual_seed(0)
    both = LesionNetwork(3, contrast=4.0, mirrored=True).eval()
    image = torch.rand(2, 1, 96, 96)
    with torch.inference_mode():
        outputs, embedding = both.look(image)
        other, _ = both.look(image.flip(-1))
        both.mirrored = False
        alone, its_embedding = both.look(image)
    assert torch.allclose(outputs.tumor, other.tumor, atol=1e-5)
    assert torch.allclose(outputs.kinds, other.kinds, atol=1e-5)
    assert torch.allclose(outputs.marks, other.marks.flip(-1), atol=1e-5)
    assert torch.allclose(both.evidence(outputs.marks), outputs.tumor)
    assert not torch.equal(outputs.marks, alone.marks)
    assert torch.equal(embedding, its_embedding)


def test_weights_stay_under_fifteen_megabytes(network):
    assert sum(p.numel() for p in network.parameters()) * 4 < 15e6


@pytest.fixture(scope="module")
def shallow():
    torch.manual_seed(0)
    return LesionNetwork(1, contrast=4.0, encoder=Encoder.SHALLOW, frozen=3)


class TestShallow:
    """If these fail, the network for outlines is none, or is not the small one."""

    def test_it_gives_the_same_answers_from_a_third_of_the_weights(self, shallow, network):
        with torch.inference_mode():
            outputs = shallow.eval()(torch.rand(2, 1, 96, 128))
        assert outputs.marks.shape == (2, 1, 48, 64)
        assert outputs.kinds.shape == (2, 1)
        ours, theirs = (sum(p.numel() for p in n.parameters()) for n in (shallow, network))
        assert ours < theirs / 3

    def test_a_place_is_judged_by_the_whole_head(self, shallow):
        features = torch.rand(1, 128, 12, 12)
        other = features.clone()
        other[..., 0, 0] += 1
        context = shallow.eval().decoder.context
        with torch.inference_mode():
            moved = (context(other) - context(features)).abs().amax(dim=1)[0]
        assert moved[-1, -1] > 0
        assert moved[8, 8] > moved[-1, -1]  # what is within reach of the convolutions moves more

    def test_frozen_stages_stay_as_they_are_and_the_others_learn(self, shallow):
        before = {name: value.clone() for name, value in shallow.state_dict().items()}
        optimizer = torch.optim.SGD([p for p in shallow.parameters() if p.requires_grad], lr=0.1)
        shallow.train()(torch.rand(2, 1, 96, 96)).marks.square().mean().backward()
        optimizer.step()
        changed = {
            n for n, value in shallow.state_dict().items() if not torch.equal(value, before[n])
        }
        early = ("backbone.Conv1", "backbone.bn_Conv1", "backbone.expanded", "backbone.block_1_")
        assert not [name for name in changed if name.startswith(early)]
        assert "backbone.block_3_expand.weight" in changed
        assert "backbone.block_3_expand_BN.running_mean" in changed


def test_class_logits_are_the_two_decisions_joined(network):
    outputs = DenseOutputs(
        torch.zeros(1, 1, 4, 4), torch.tensor([1.2]), torch.tensor([[0.3, -0.5, 2.0]])
    )
    probabilities = torch.softmax(network.classify(outputs), dim=1)
    tumor = torch.sigmoid(outputs.tumor)
    assert torch.allclose(probabilities[:, 0], 1 - tumor)
    assert torch.allclose(probabilities[:, 1:], tumor * torch.softmax(outputs.kinds, dim=1))


def test_more_marks_never_make_a_tumor_less_probable():
    evidence = Evidence()
    with torch.no_grad():
        evidence.scale.copy_(torch.tensor([-0.7, 0.4]))  # even if training drove one below zero
    marks = torch.randn(4, 1, 28, 28)
    more = marks.clone()
    more[:, :, 3:6, 3:6] += 2
    assert (evidence(more) >= evidence(marks)).all()


def test_a_small_lesion_is_not_drowned():
    evidence = Evidence()
    marks = torch.full((1, 1, 56, 56), -6.0)
    marks[0, 0, 10:13, 10:13] = 6.0
    assert evidence(marks) > evidence(torch.full((1, 1, 56, 56), -6.0)) + 4


def test_pooling_takes_what_lies_under_the_marks():
    features = torch.zeros(1, 2, 4, 4)
    features[0, 0, :2], features[0, 1, 2:] = 1.0, 1.0
    weights = torch.full((1, 1, 16, 16), 1e-6)
    weights[0, 0, :8] = 1.0
    assert torch.allclose(pool_under(features, weights), torch.tensor([[1.0, 0.0]]), atol=1e-4)


def test_smoothing_lets_small_lesions_count_less():
    mask = torch.zeros(2, 1, 48, 48)
    mask[0, 0, 20:22, 20:22] = 1.0
    mask[1, 0, 10:30, 10:30] = 1.0
    missed = torch.full((2, 1, 48, 48), -8.0)
    small, large = (
        [
            float(
                dense_loss(
                    DenseOutputs(missed[k : k + 1], torch.zeros(1), torch.zeros(1, 3)),
                    Taught(
                        mask[k : k + 1], torch.tensor([True]), torch.ones(1), torch.tensor([-1])
                    ),
                    LossSpec(pixels=0, tumor=0, kind=0, overlap=1, smoothing=pixels),
                )
            )
            for pixels in (0.0, 10.0)
        ]
        for k in (0, 1)
    )
    assert small[0] == pytest.approx(large[0], abs=0.01)
    assert small[1] < large[1] - 0.5


def outputs_for(mask, tumor, kinds):
    marks = (mask * 16 - 8).requires_grad_()
    return DenseOutputs(marks, torch.tensor([tumor]), torch.tensor([kinds]))


def taught(mask, *, known, tumor, kind):
    return Taught(mask, torch.tensor([known]), torch.tensor([float(tumor)]), torch.tensor([kind]))


def test_right_answers_cost_less_than_wrong_ones():
    mask = torch.zeros(1, 1, 16, 16)
    mask[0, 0, 4:9, 4:9] = 1.0
    truth = taught(mask, known=True, tumor=True, kind=1)
    right = dense_loss(outputs_for(mask, 4.0, [0.0, 5.0, 0.0]), truth, LossSpec())
    for wrong in (
        outputs_for(1 - mask, 4.0, [0.0, 5.0, 0.0]),
        outputs_for(mask, -4.0, [0.0, 5.0, 0.0]),
        outputs_for(mask, 4.0, [5.0, 0.0, 0.0]),
    ):
        assert dense_loss(wrong, truth, LossSpec()) > right + 0.5


def test_an_unknown_mask_teaches_nothing_about_pixels():
    mask = torch.zeros(1, 1, 16, 16)
    outputs = outputs_for(mask, 4.0, [0.0, 0.0, 0.0])
    loss = dense_loss(outputs, taught(mask, known=False, tumor=True, kind=-1), LossSpec())
    loss.backward()
    assert outputs.marks.grad is None or not outputs.marks.grad.any()


def test_a_faint_lesion_is_drawn_out_whatever_fat_and_window_do_to_the_brightness():
    head = torch.zeros(1, 1, 64, 64)
    head[..., 4:60, 4:60] = 0.9  # fat
    head[..., 8:56, 8:56] = 0.25 + 0.06 * (torch.rand(48, 48) - 0.5)  # brain
    head[..., 30:40, 20:30] = 0.22  # three hundredths darker
    drawn = draw_out(head, 4.0)
    lesion, brain = drawn[..., 32:38, 22:28].mean(), drawn[..., 32:38, 40:46].mean()
    assert brain - lesion > 3 * 2 * 0.03  # thrice as far apart as in [-1, 1] as it came
    darker = draw_out(head * 0.5, 4.0)
    assert torch.allclose(darker[head > 0], drawn[head > 0], atol=1e-3)


def test_a_picture_of_one_grey_is_not_drawn_out_into_noise():
    assert draw_out(torch.full((1, 1, 16, 16), 0.5), 2.5).abs().max() < 1e-3
    assert draw_out(torch.zeros(1, 1, 16, 16), 2.5).isfinite().all()
