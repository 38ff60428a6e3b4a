"""If these fail, a file decides or outlines as neither of its two models does."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from typer.testing import CliRunner

from tumorlens.cli.app import app
from tumorlens.errors import ModelIncompatible
from tumorlens.model.decision import Decision, Selection
from tumorlens.model.format import Thresholds
from tumorlens.model.load import load_file
from tumorlens.train.export.convert import convert
from tumorlens.train.export.forms import Form
from tumorlens.train.export.graph import extractors
from tumorlens.train.export.int8 import quantise
from tumorlens.train.export.join import averaging, join


@pytest.fixture(scope="module")
def joined(cnn_model, outlines, tmp_path_factory):
    target = tmp_path_factory.mktemp("joined") / "both.onnx"
    return load_file(join(cnn_model, [outlines], target).path, threads=1)


@pytest.fixture(scope="module")
def others(outlines_of):
    return outlines_of("input.height=96", "input.width=96", "seed=2")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).random((3, 1, 96, 96), np.float32)


def smaller(images):
    return functional.interpolate(
        torch.from_numpy(images), size=(64, 64), mode="bilinear", antialias=True
    ).numpy()


def test_it_decides_as_the_one_and_outlines_as_the_other_where_a_tumor_is_likely(
    joined, cnn_model, outlines, images
):
    found, decided, drawn = joined.run(images), cnn_model.run(smaller(images)), outlines.run(images)
    np.testing.assert_allclose(found.probabilities, decided.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.heatmap, decided.heatmap, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.novelty, decided.novelty, rtol=1e-4)
    columns = [joined.metadata.classes.index(name) for name in joined.metadata.positive]
    tumor = decided.probabilities[:, columns].sum(axis=1)
    assert 0.001 < tumor.min() < tumor.max() < 0.999
    np.testing.assert_allclose(found.mask, drawn.mask * tumor[:, None, None, None], atol=1e-5)
    assert drawn.mask.std() > 0.01


def test_its_file_says_whose_outlines_they_are(joined, cnn_model, outlines):
    told = joined.metadata
    assert (told.name, told.classes) == (cnn_model.metadata.name, cnn_model.metadata.classes)
    assert told.input == outlines.metadata.input
    assert told.mask.peak_share == outlines.metadata.mask.peak_share
    assert [one.name for one in told.outlines] == ["tumorlens-outlines"]
    assert told.outlines[0].sha256 == outlines.sha256
    assert told.metrics == ()


def test_what_may_be_a_tumor_is_outlined(cnn_model, outlines, tmp_path):
    def level(threshold, sure):
        chosen = None
        if sure is not None:
            chosen = Selection(
                target=0.9, tumor=0.5, kind=0.5, no_tumor=sure, answered=1, accuracy=1, on="all"
            )
        told = cnn_model.metadata.model_copy(
            update={
                "thresholds": Thresholds(no_tumor=threshold),
                "decision": Decision(selection=chosen),
            }
        )
        decision = dataclasses.replace(cnn_model, metadata=told)
        return join(decision, [outlines], tmp_path / "level.onnx").metadata.mask.level

    assert outlines.metadata.mask.level == 0.2
    assert level(0.5, None) == pytest.approx(0.1)
    assert level(0.4, 0.9) == pytest.approx(0.02)
    assert level(0.05, 0.9) == pytest.approx(0.01)
    assert level(0.0, None) == 0.01


def test_pictures_of_one_size_are_taken_as_they_are(joined, outlines, images, tmp_path):
    again = load_file(join(joined, [outlines], tmp_path / "again.onnx").path, threads=1)
    np.testing.assert_array_equal(again.run(images).probabilities, joined.run(images).probabilities)
    assert again.path.stat().st_size < 1.01 * joined.path.stat().st_size


@given(larger=st.integers(33, 300), share=st.floats(0.2, 1.0))
@settings(deadline=None, max_examples=40)
def test_fewer_pixels_are_made_as_pytorch_makes_them(larger, share):
    fewer = max(8, int(larger * share))
    line = np.random.default_rng(0).random((1, 1, 1, larger), np.float32)
    wanted = functional.interpolate(
        torch.from_numpy(line), size=(1, fewer), mode="bilinear", antialias=True
    )
    found = averaging(larger, fewer) @ line[0, 0, 0]
    np.testing.assert_allclose(found, wanted[0, 0, 0].numpy(), atol=1e-4)


def test_what_both_compute_alike_is_computed_once(outlines, images, tmp_path):
    twice = load_file(join(outlines, [outlines], tmp_path / "twice.onnx").path, threads=1)
    graphs = [onnx.load(model.path).graph for model in (outlines, twice)]
    single, both = ([n.op_type for n in graph.node].count("Conv") for graph in graphs)
    assert single == both > 40
    assert twice.path.stat().st_size < 1.02 * outlines.path.stat().st_size
    found, wanted = twice.run(images), outlines.run(images)
    np.testing.assert_array_equal(found.probabilities, wanted.probabilities)
    tumor = wanted.probabilities[:, 1, None, None, None]
    np.testing.assert_allclose(found.mask, wanted.mask * tumor, atol=1e-6)


def test_the_mask_of_the_network_that_decides_is_one_of_them(outlines, others, images, tmp_path):
    found = load_file(join(outlines, [others, others], tmp_path / "own.onnx").path, threads=1)
    own, first = outlines.run(images), others.run(images).mask
    turned = others.run(np.ascontiguousarray(images[..., ::-1])).mask[..., ::-1]
    tumor = own.probabilities[:, 1, None, None, None]
    wanted = (own.mask + first + turned) / 3 * tumor
    np.testing.assert_allclose(found.run(images).mask, wanted, atol=1e-5)
    assert len(extractors(onnx.load(found.path).graph)) == 3
    again = load_file(join(found, [others, others], tmp_path / "again.onnx").path, threads=1)
    wanted = (first + turned) / 2 * tumor  # a join is nobody's own
    np.testing.assert_allclose(again.run(images).mask, wanted, atol=1e-5)


def test_masks_are_averaged_and_every_second_is_of_the_mirror_image(
    cnn_model, outlines, others, images, tmp_path
):
    models = [outlines, others, outlines]
    found = load_file(join(cnn_model, models, tmp_path / "all.onnx").path, threads=1)
    decided = found.run(images)
    first = outlines.run(images).mask
    turned = others.run(np.ascontiguousarray(images[..., ::-1])).mask[..., ::-1]
    columns = [found.metadata.classes.index(name) for name in found.metadata.positive]
    tumor = decided.probabilities[:, columns].sum(axis=1)[:, None, None, None]
    np.testing.assert_allclose(decided.mask, (2 * first + turned) / 3 * tumor, atol=1e-5)
    assert np.abs(first - turned).max() > 0.01
    assert [one.sha256 for one in found.metadata.outlines] == [one.sha256 for one in models]
    assert len(extractors(onnx.load(found.path).graph)) == 4
    half = load_file(convert(found, tmp_path / "half.onnx", Form.FP16).path, threads=1)
    assert np.abs(half.run(images).mask - decided.mask).max() < 0.1


def test_both_networks_are_converted(joined, images, tmp_path):
    decides, draws = extractors(onnx.load(joined.path).graph)
    assert [n.op_type for n in decides].count("Conv") == 4
    assert [n.op_type for n in draws].count("Conv") > 40
    half = load_file(convert(joined, tmp_path / "half.onnx", Form.FP16).path, threads=1)
    assert half.path.stat().st_size < 0.6 * joined.path.stat().st_size
    assert np.abs(half.run(images).mask - joined.run(images).mask).max() < 0.1


def test_both_networks_compute_in_8_bits(joined, images):
    quantised = quantise(onnx.load(joined.path), np.repeat(images, 8, axis=0))
    for nodes in extractors(quantised.graph):
        assert "QuantizeLinear" in {node.op_type for node in nodes}
    session = onnxruntime.InferenceSession(quantised.SerializeToString())
    (mask,) = session.run(["mask"], {"image": images})
    wanted = joined.run(images).mask
    assert np.corrcoef(mask.ravel(), wanted.ravel())[0, 1] > 0.6  # weights of chance, on noise


class TestRefused:
    """If these fail, a file is left whose answers mean something else than they say."""

    def refuse(self, decision, drawing, tmp_path, match):
        with pytest.raises(ModelIncompatible, match=match):
            join(decision, [drawing], tmp_path / "x.onnx")
        assert not list(tmp_path.glob("x.onnx"))

    def test_a_model_without_a_mask(self, cnn_model, tmp_path):
        self.refuse(cnn_model, cnn_model, tmp_path, "gives no mask")

    def test_another_part_of_the_picture(self, cnn_model, outlines_of, tmp_path):
        other = outlines_of("input.crop='foreground'")
        self.refuse(cnn_model, other, tmp_path, "another part of a picture")

    def test_smaller_pictures(self, cnn_model, outlines_of, tmp_path):
        other = outlines_of("input.height=32", "input.width=32")
        self.refuse(cnn_model, other, tmp_path, r"smaller pictures \(32 x 32\)")

    def test_pictures_of_another_shape(self, cnn_model, outlines_of, tmp_path):
        other = outlines_of("input.height=96", "input.width=128")
        self.refuse(cnn_model, other, tmp_path, "not of the same shape")

    def test_outlines_of_several_sizes(self, cnn_model, outlines, outlines_of, tmp_path):
        other = outlines_of("input.height=128", "input.width=128")
        with pytest.raises(ModelIncompatible, match="they must be of one size"):
            join(cnn_model, [outlines, other], tmp_path / "x.onnx")
        assert not list(tmp_path.glob("x.onnx"))

    def test_outlines_that_learnt_from_what_the_decision_is_tested_on(
        self, cnn_model, outlines_of, tmp_path
    ):
        other = outlines_of("data.test_fold=3", "data.validation_fold=4")
        self.refuse(cnn_model, other, tmp_path, r"train it with data\.test_fold=1")


def tumorlens(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="tumorlens")


def test_the_command_joins_them(cnn_run, outlines, tmp_path):
    out = tmp_path / "both.onnx"
    done = tumorlens("export", cnn_run.folder, "--outlines", outlines.path, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert load_file(out, threads=1).metadata.outlines[0].sha256 == outlines.sha256
    before = out.read_bytes()
    done = tumorlens("export", out, "--outlines", outlines.path, "--out", out)
    assert done.exit_code == 2
    assert out.read_bytes() == before
    twice = ("--outlines", outlines.path, "--outlines", outlines.path)
    done = tumorlens("export", cnn_run.folder, *twice, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert len(load_file(out, threads=1).metadata.outlines) == 2
    done = tumorlens("export", out, "--to", "onnx-fp16", "--outlines", outlines.path)
    assert done.exit_code == 2
    assert "--outlines" in done.stderr
