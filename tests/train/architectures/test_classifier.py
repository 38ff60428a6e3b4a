"""If these fail, what is trained, frozen or shown as evidence is not what the recipe says."""

import pytest
import torch

from tumorlens.errors import RecipeError
from tumorlens.model.format import InputSpec
from tumorlens.train.architectures.classifier import Classifier, build
from tumorlens.train.architectures.spec import Architecture, NetworkSpec
from tumorlens.train.architectures.summary import summary

SIDE = 64
CNN = {"architecture": "cnn", "stages": [{"filters": 4, "batch_norm": True, "dropout": 0.5}] * 3}
HEADS = {
    "cam": {},
    "sigmoid": {"output": "sigmoid"},
    "flatten": {"pooling": "flatten"},
    "hidden": {"dense": (16, 8)},
    "flatten-hidden-sigmoid": {"pooling": "flatten", "dense": (8,), "output": "sigmoid"},
}


def make(classes=2, side=SIDE, **spec):
    torch.manual_seed(0)
    return build(NetworkSpec(**spec), classes, InputSpec(height=side, width=side))


def slices(channels=1, side=SIDE):
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1))


class TestCounts:
    """The published figures of the systems that the recipes reproduce."""

    def test_mobilenetv2_frozen_with_an_average_trains_1281(self):
        found = summary(
            make(side=224, architecture="mobilenetv2", output="sigmoid", trainable="head")
        )
        assert (found.trainable, found.frozen) == (1_281, 2_257_984)

    def test_mobilenet_frozen_with_a_flatten_trains_50177(self):
        network = make(
            side=224, architecture="mobilenet", pooling="flatten", output="sigmoid",
            trainable="head",
        )  # fmt: skip
        assert summary(network).trainable == 50_177

    def test_the_summary_says_every_layer_with_its_shape(self):
        network = make(classes=3, **CNN, dense=(10,), pooling="flatten")
        found = summary(network)
        assert [layer.output for layer in found.layers][:2] == [(4, 64, 64), (4, 64, 64)]
        assert found.layers[-1].output == (3,)
        assert found.trainable + found.frozen == sum(
            tensor.numel() for tensor in network.state_dict().values() if tensor.ndim
        )
        assert found.size == 4 * (found.trainable + found.frozen)
        assert f"{found.trainable:,} trainable" in str(found)
        assert network.training, "a summary must leave the network as it was"


class TestEvidence:
    @pytest.mark.parametrize("architecture", list(Architecture))
    @pytest.mark.parametrize("head", HEADS)
    def test_the_mean_of_a_map_is_the_logit_of_its_class(self, architecture, head):
        if architecture != "cnn" and head not in {"cam", "flatten-hidden-sigmoid"}:
            pytest.skip("every head is tried on the smallest extractor")
        spec = CNN if architecture == "cnn" else {"architecture": architecture}
        network = make(**spec, **HEADS[head]).eval()
        with torch.inference_mode():
            features = network.features(slices())
            logits, maps = network.classify(features), network.class_maps(features)
        assert maps.shape[:2] == (2, 2)
        assert maps.shape[2:] == features.shape[2:]
        assert torch.allclose(maps.mean(dim=(2, 3)), logits, atol=1e-4 * logits.abs().max().item())

    @pytest.mark.parametrize("head", HEADS)
    def test_a_map_is_gradient_times_feature_place_by_place(self, head):
        network = make(**CNN, **HEADS[head]).eval()
        features = network.features(slices()).detach().requires_grad_()
        maps = network.class_maps(features)
        number = -1
        (gradient,) = torch.autograd.grad(network.classify(features)[:, number].sum(), features)
        places = features.shape[2] * features.shape[3]
        wanted = (gradient * features).sum(dim=1) * places
        even = maps[:, number].mean(dim=(1, 2)) - wanted.mean(dim=(1, 2))
        assert torch.allclose(maps[:, number], wanted + even[:, None, None], atol=1e-5)

    def test_one_average_and_one_dense_layer_give_the_class_activation_map(self):
        network = make(classes=3, **CNN).eval()
        features = network.features(slices())
        dense = network.predictions
        wanted = torch.nn.functional.conv2d(features, dense.weight[:, :, None, None], dense.bias)
        assert torch.allclose(network.class_maps(features), wanted, atol=1e-5)

    def test_softmax_of_the_two_logits_is_the_sigmoid(self):
        network = make(**CNN, output="sigmoid").eval()
        features = network.features(slices())
        logits = network.classify(features)
        assert torch.equal(logits[:, 0], torch.zeros(2))
        sigmoid = torch.sigmoid(network.predictions(features.mean(dim=(2, 3))))[:, 0]
        assert torch.allclose(torch.softmax(logits, 1)[:, 1], sigmoid)


class TestInput:
    def test_grey_counts_as_three_equal_channels(self):
        network = make(**CNN).eval()
        assert torch.equal(network(slices()), network(slices().repeat(1, 3, 1, 1)))

    @pytest.mark.parametrize("architecture", ["mobilenet", "mobilenetv2"])
    def test_mobilenets_are_fed_minus_1_to_1(self, architecture):
        network = make(architecture=architecture).eval()
        image = slices(3)
        assert torch.equal(network.features(image), network.backbone(image * 2 - 1))

    def test_vgg16_is_fed_blue_green_red_less_the_means_of_imagenet(self):
        network = make(architecture="vgg16", side=32).eval()
        image = slices(3, 32)
        means = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
        wanted = network.backbone(image.flip(1) * 255 - means)
        assert torch.allclose(network.features(image), wanted)

    def test_the_range_of_many_published_recipes_is_left_as_it_is(self):
        network = make(architecture="mobilenetv2", normalisation="unit").eval()
        image = slices(3)
        assert torch.equal(network.features(image), network.backbone(image))


class TestFreezing:
    def trained(self, network):
        return {name for name, value in network.named_parameters() if value.requires_grad}

    def after_a_step(self, network):
        """The names of what a training step changes, batch statistics included."""
        before = {name: value.clone() for name, value in network.state_dict().items()}
        network.train()
        loss = network(slices()).square().sum()
        loss.backward()
        with torch.no_grad():
            for value in network.parameters():
                if value.grad is not None:
                    value.sub_(value.grad + 1e-3)
        after = network.state_dict()
        return {name for name, value in before.items() if not torch.equal(value, after[name])}

    def test_a_frozen_extractor_is_changed_in_nothing_statistics_included(self):
        network = make(architecture="mobilenetv2", trainable="head")
        assert network.frozen_extractor()
        assert self.after_a_step(network) == {"predictions.weight", "predictions.bias"}

    def test_a_frozen_extractor_drops_nothing(self):
        network = make(**CNN, trainable="head").train()
        assert torch.equal(network.features(slices()), network.features(slices()))

    def test_the_last_stages_are_trained_and_no_others(self):
        network = make(architecture="mobilenetv2", trainable=2)
        assert not network.frozen_extractor()
        changed = {name.split(".")[1] for name in self.after_a_step(network) if "backbone" in name}
        assert changed == {
            "block_16_expand", "block_16_expand_BN", "block_16_depthwise",
            "block_16_depthwise_BN", "block_16_project", "block_16_project_BN",
            "Conv_1", "Conv_1_bn",
        }  # fmt: skip

    @pytest.mark.parametrize("architecture", ["mobilenet", "mobilenetv2", "vgg16"])
    def test_stages_name_every_layer_once(self, architecture):
        backbone = make(architecture=architecture).backbone
        names = [name for stage in backbone.stages for name in stage]
        assert names == [name for name, _ in backbone.named_children()]

    def test_more_stages_than_there_are_is_all(self):
        assert self.trained(make(**CNN, trainable=99)) == self.trained(make(**CNN))

    def test_inference_and_training_modes_can_be_changed_at_will(self):
        network = make(**CNN, trainable=1)
        network.eval().train()
        assert [m.training for m in network.backbone.children()] == [False] * 4 + [True] * 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("spec", "classes", "match"),
        [
            ({"architecture": "cnn"}, 2, "at least one stage"),
            ({"architecture": "vgg16", "stages": [{"filters": 3}]}, 2, "stages of its own"),
            ({"architecture": "mobilenet", "output": "sigmoid"}, 3, "sigmoid is for two classes"),
            ({**CNN, "stages": [{"filters": 2}] * 7}, 2, "64x64 is too small"),
        ],
    )
    def test_a_spec_that_contradicts_itself_says_so(self, spec, classes, match):
        with pytest.raises(RecipeError, match=match):
            make(classes, **spec)


def test_old_and_new_weights_have_the_same_names():
    """The weights of a run can be read after an update only if their names stay."""
    names = set(Classifier(NetworkSpec(architecture="mobilenetv2"), 4, 64, 64).state_dict())
    assert {"backbone.Conv1.weight", "predictions.weight", "predictions.bias"} <= names
