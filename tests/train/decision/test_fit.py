"""If these fail, a calibrated file answers otherwise than its limits were fitted for."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.utils import Extractor

from tumorlens.analysis import analyze_one
from tumorlens.data import manifest
from tumorlens.data.split import split
from tumorlens.decide.finding import Status
from tumorlens.errors import DatasetError, ModelIncompatible
from tumorlens.model.format import DataSource
from tumorlens.model.load import load_file
from tumorlens.model.registry import BUNDLED
from tumorlens.scan import draw_phantom
from tumorlens.train.decision import fit
from tumorlens.train.decision.fit import calibrate_file
from tumorlens.train.decision.graph import embed, pooled_features, soften, take_temperature
from tumorlens.train.decision.neighbours import Projection
from tumorlens.train.decision.probabilities import Softening
from tumorlens.train.recipe import load_recipe


@pytest.fixture
def trained(drawn_root, tiny_model, tmp_path, monkeypatch):
    """Makes a model file that says that it was trained on the drawn set."""
    monkeypatch.setattr(fit, "FEWEST_HELD_OUT", 8)

    def make(**settings):
        given = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
        recipe = load_recipe("mobilenetv2-4class", ["data.sources=['drawn']", *given])
        entries = split([drawn_root / "drawn"], by=recipe.data.split, seed=recipe.seed).entries
        learnt = [one for one in entries if one.fold != recipe.data.test_fold]
        tiny = tiny_model()
        source = DataSource(
            name="drawn", images=len(learnt), licence="none", citation="drawn",
            manifest_sha256=manifest.hash_by_source(learnt)["drawn"],
        )  # fmt: skip
        tiny.metadata = tiny.metadata.model_copy(
            update={"recipe": recipe.model_dump(mode="json"), "data": (source,)}
        )
        name = f"tiny-{recipe.data.test_fold}.onnx"
        return load_file(tiny.save(tmp_path / name), threads=1)

    return make


def test_a_model_gets_all_that_its_held_out_images_support(trained, drawn_root, tmp_path):
    found = calibrate_file(trained(fit__refit="false"), drawn_root, tmp_path / "new.onnx")
    loaded = load_file(tmp_path / "new.onnx", threads=1)
    decision = loaded.metadata.decision
    assert decision == found.metadata.decision
    assert decision.operating.sensitivity >= 0.97
    assert loaded.metadata.thresholds.no_tumor == decision.operating.threshold
    assert {one.name for one in decision.reference} == {
        "novelty", "tumor_probability", "unlikeness",
    }  # fmt: skip
    assert [one.source for one in decision.calibration] == ["drawn"]
    assert len(decision.conformal) == 50
    noise = np.random.default_rng(0).random((96, 96)).astype(np.float32)
    finding = analyze_one(noise, model=loaded)
    assert finding.status is Status.REJECTED
    assert finding.unlikeness > decision.picture.rejected
    assert "picture" in [reason.code for reason in finding.reasons]


def test_what_was_learnt_from_is_not_calibrated_on(trained, drawn_root, tmp_path):
    model = trained(fit__refit="true")
    found = calibrate_file(model, drawn_root, tmp_path / "new.onnx")
    assert found.metadata.thresholds == model.metadata.thresholds
    assert found.metadata.decision.conformal == ()
    assert found.metadata.decision.picture is not None
    assert "learnt from" in found.notes[0]
    picture = draw_phantom(0, size=64).pixels[None, None]
    again = load_file(tmp_path / "new.onnx", threads=1)
    np.testing.assert_allclose(again.run(picture).probabilities, model.run(picture).probabilities)


def test_a_file_is_calibrated_once(trained, drawn_root, tmp_path):
    calibrate_file(trained(fit__refit="false"), drawn_root, tmp_path / "new.onnx")
    with pytest.raises(ModelIncompatible, match="calibrated before"):
        calibrate_file(load_file(tmp_path / "new.onnx"), drawn_root, tmp_path / "newer.onnx")


def test_models_that_held_other_folds_out_are_fitted_on_too(trained, drawn_root, tmp_path):
    model = trained(fit__refit="false")
    others = [
        trained(fit__refit="false", data__test_fold=fold, data__validation_fold=fold % 5 + 1)
        for fold in (3, 4)
    ]
    alone = calibrate_file(model, drawn_root, tmp_path / "alone.onnx")
    found = calibrate_file(model, drawn_root, tmp_path / "new.onnx", beside=others)
    assert found.metadata.decision.fitted_on == "folds 2, 3 and 4 of drawn"
    assert found.held_out > alone.held_out
    (one,) = found.metadata.decision.calibration
    assert one.images > alone.metadata.decision.calibration[0].images
    # What is told by distances in the features of a network is this network's own.
    mine, its = found.metadata.thresholds, alone.metadata.thresholds
    assert mine.novelty_uncertain == its.novelty_uncertain


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fit__epochs": 3, "data__test_fold": 3}, "was not trained as mobilenetv2-4class was"),
        ({"data__test_fold": 1}, "held fold 1 out, which"),
        ({"data__test_fold": 2, "data__validation_fold": 3}, "held fold 2 out"),
    ],
)
def test_no_model_beside_it_opens_the_test_fold(trained, drawn_root, tmp_path, settings, said):
    other, model = trained(fit__refit="false", **settings), trained(fit__refit="false")
    with pytest.raises(ModelIncompatible, match=said):
        calibrate_file(model, drawn_root, tmp_path / "new.onnx", beside=[other])


def test_no_fold_is_fitted_on_twice(trained, drawn_root, tmp_path):
    other = trained(fit__refit="false", data__test_fold=3, data__validation_fold=4)
    with pytest.raises(ModelIncompatible, match="held fold 3 out"):
        calibrate_file(
            trained(fit__refit="false"), drawn_root, tmp_path / "new.onnx", beside=[other, other]
        )


def test_what_learnt_from_all_its_folds_is_fitted_on_what_others_held_out(
    trained, drawn_root, tmp_path
):
    others = [
        trained(fit__refit="false", data__test_fold=fold, data__validation_fold=fold % 5 + 1)
        for fold in (2, 3, 4)
    ]
    found = calibrate_file(
        trained(fit__refit="true"), drawn_root, tmp_path / "new.onnx", beside=others
    )
    recipe = load_recipe("mobilenetv2-4class", ["data.sources=['drawn']"])
    entries = split([drawn_root / "drawn"], by=recipe.data.split, seed=recipe.seed).entries
    decision = found.metadata.decision
    assert decision.fitted_on == "folds 2, 3 and 4 of drawn"
    assert found.held_out == decision.calibration[0].images
    assert found.held_out == sum(entry.fold in {2, 3, 4} for entry in entries)
    assert decision.reference[0].count == found.held_out
    assert decision.operating.sensitivity >= 0.97
    assert "No held-out series" in found.notes[0]


def test_too_few_held_out_images_are_refused(trained, drawn_root, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "FEWEST_HELD_OUT", 9)
    with pytest.raises(DatasetError, match="validation fold holds 8 images"):
        calibrate_file(trained(), drawn_root, tmp_path / "new.onnx")
    assert not (tmp_path / "new.onnx").exists()


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="no model is bundled with this checkout")
class TestGraph:
    @pytest.fixture
    def proto(self):
        """The bundled graph, as if what its decision was given had been learnt."""
        bundled = onnx.load(next(BUNDLED.glob("*.onnx")))
        kept = [one.name for one in bundled.graph.output if one.name != "embedding"]
        found = Extractor(bundled).extract_model(["image"], kept)
        for tensor in found.graph.initializer:
            tensor.name = tensor.name.replace("decision.", "learnt.")
        for node in found.graph.node:
            for names in (node.input, node.output):
                names[:] = [name.replace("decision.", "learnt.") for name in names]
        return found

    def test_probabilities_and_heatmaps_are_softened_together(self, proto):
        picture = draw_phantom(3, tumor="glioma", size=side(proto)).pixels[None, None]
        before = run(proto, picture)
        softening = Softening((False, True, True, True), 2.0, 0.7, 0.3, (0.0, 0.0, -0.2, 0.1))
        soften(proto, softening)
        after = run(proto, picture)
        expected = softening.of(before["probabilities"].astype(np.float64))
        np.testing.assert_allclose(after["probabilities"], expected, atol=1e-5)
        np.testing.assert_allclose(after["heatmap"], before["heatmap"] / 2, rtol=1e-4, atol=1e-4)

    def test_the_embedding_is_the_projection_of_the_features(self, proto):
        feature = pooled_features(proto)
        chance = np.random.default_rng(0)
        directions = chance.normal(size=(1280, 4))
        embed(proto, feature, Projection(chance.normal(size=1280), directions))
        one = draw_phantom(3, size=side(proto)).pixels
        pictures = np.stack([one, one[::-1], one])[:, None].astype(np.float32)
        found = run(proto, pictures)["embedding"]
        assert found.shape == (3, 4)
        np.testing.assert_allclose(found[0], found[2], atol=1e-4)
        assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize("temperature", [1.5, 0.7])
def test_a_temperature_that_training_gave_is_taken_out_of_the_graph(temperature):
    """Probabilities and heatmap are then those of the logits themselves."""
    helper, logits = onnx.helper, np.array([[0.3, -1.2, 2.0]], np.float32)
    nodes = [
        helper.make_node("Div", ["image", "heat"], ["divided"]),
        helper.make_node("Softmax", ["divided"], ["probabilities"]),
        helper.make_node("Div", ["image", "heat"], ["heatmap"]),
    ]
    value = [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3])]
    outputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3])
        for name in ("probabilities", "heatmap")
    ]
    heat = onnx.numpy_helper.from_array(np.array(temperature, np.float32), "heat")
    graph = helper.make_graph(nodes, "g", value, outputs, [heat])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    assert take_temperature(proto) == pytest.approx(temperature)
    given = run(proto, logits)
    np.testing.assert_allclose(given["heatmap"], logits)
    np.testing.assert_allclose(given["probabilities"], np.exp(logits) / np.exp(logits).sum(), 1e-5)
    assert take_temperature(proto) == 1.0


def test_what_is_not_a_temperature_is_left_in_the_graph():
    """A division by another tensor, or none at all."""
    helper = onnx.helper
    value = [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3])]
    output = [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, [1, 3])]
    for nodes in (
        [helper.make_node("Softmax", ["image"], ["probabilities"])],
        [
            helper.make_node("Div", ["image", "image"], ["divided"]),
            helper.make_node("Softmax", ["divided"], ["probabilities"]),
        ],
    ):
        proto = helper.make_model(helper.make_graph(nodes, "g", value, output))
        before = proto.SerializeToString()
        assert take_temperature(proto) == 1.0
        assert proto.SerializeToString() == before


def test_a_graph_without_features_has_none_to_compare_by(tiny_model):
    assert pooled_features(tiny_model().graph()) is None


def side(proto):
    return proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value


def run(proto, pictures):
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    given = session.run(names, {"image": np.ascontiguousarray(pictures)})
    return dict(zip(names, given, strict=True))
