"""If these fail, a file carries limits that its held-out images do not support."""

import base64
import functools
from dataclasses import replace

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from tumorlens.data.manifest import Entry
from tumorlens.decide.alarm import judge_frame
from tumorlens.decide.conformal import at_coverage, prediction_set
from tumorlens.decide.finding import Status
from tumorlens.decide.picture import judge_picture
from tumorlens.decide.study import mean_of_highest
from tumorlens.errors import ModelIncompatible
from tumorlens.model.decision import Decision
from tumorlens.model.format import InputSpec, ModelMetadata, Thresholds
from tumorlens.scan import draw_phantom
from tumorlens.scan.facts import FACTS, facts_of
from tumorlens.train.decision.gate import FALSE_REJECTION, UNUSUAL, fit_picture_gate
from tumorlens.train.decision.limits import (
    conformal_levels,
    frame_limit,
    operating_point,
)
from tumorlens.train.decision.neighbours import fit_neighbours, nearest_distance
from tumorlens.train.decision.observe import Observations
from tumorlens.train.decision.probabilities import (
    Softening,
    by_source,
    calibration_error,
    fit_softening,
)
from tumorlens.train.decision.reference import histogram
from tumorlens.train.decision.selection import selection
from tumorlens.train.decision.study import Runs, fit_study_rule, runs_of
from tumorlens.train.dense.level import Overlaps

CLASSES = ("no_tumor", "glioma", "meningioma")
TUMORS = (False, True, True)
METADATA = ModelMetadata(
    name="tiny", version="1", task="multiclass", classes=CLASSES, positive=CLASSES[1:],
    input=InputSpec(height=64, width=64), created="2026-01-01",
)  # fmt: skip


def entry(number, label, source="a", group=None, fold=1):
    return Entry(
        name=f"{source}/{number:04}.png", sha256="0" * 64, source=source, label=label,
        group=group or f"{source}/{number}", fold=fold,
    )  # fmt: skip


def seen(
    labels, probabilities, *, sources=None, groups=None, folds=None, features=None, frame=None
):
    count = len(labels)
    sources, groups = sources or ["a"] * count, groups or [None] * count
    each = zip(labels, sources, groups, folds or [1] * count, strict=True)
    entries = tuple(entry(i, *one) for i, one in enumerate(each))
    return Observations(
        METADATA, entries, np.zeros((count, len(FACTS))), np.asarray(probabilities, np.float64),
        np.ones(count), np.zeros(count) if frame is None else frame, features,
    )  # fmt: skip


def overconfident(count, temperature, seed=0, spread=1.5):
    """Labels drawn from true probabilities, and answers sharper than those."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(0, spread, (count, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = [CLASSES[chance.choice(3, p=row)] for row in true]
    sharp = np.exp(logits * temperature)
    return labels, sharp / sharp.sum(axis=1, keepdims=True)


class TestProbabilities:
    def test_overconfident_answers_are_softened_to_what_they_are_worth(self):
        given = seen(*overconfident(3000, 2.5))
        found = fit_softening(given)
        softer = given.with_probabilities(found.of(given.probabilities))
        assert found.temperature > 1.5
        assert found.kind_temperature > 1.5
        assert calibration_error(softer) < 0.03 < calibration_error(given)

    def test_a_small_source_is_not_drowned_by_a_large_one(self):
        large, sharp = overconfident(2000, 1.0), overconfident(200, 4.0, seed=1)
        labels, rows = large[0] + sharp[0], np.concatenate([large[1], sharp[1]])
        sources = ["large"] * 2000 + ["small"] * 200
        apart = fit_softening(seen(labels, rows, sources=sources)).temperature
        assert apart > fit_softening(seen(labels, rows)).temperature + 0.1

    def test_a_small_source_does_not_decide_for_a_large_one(self):
        large, sharp = overconfident(2000, 1.0), overconfident(50, 4.0, seed=1)
        labels, rows = large[0] + sharp[0], np.concatenate([large[1], sharp[1]])
        apart = fit_softening(seen(labels, rows, sources=["large"] * 2000 + ["small"] * 50))
        often = large[0] + sharp[0] * 40, np.concatenate([large[1], *[sharp[1]] * 40])
        assert apart.temperature < fit_softening(seen(*often)).temperature - 0.5

    def test_each_source_says_what_would_fit_it(self):
        labels, rows = overconfident(1500, 3.0)
        before = seen(labels, rows, sources=["b"] * 1500)
        softer = replace(Softening.nothing(TUMORS), temperature=3.0, kind_temperature=3.0)
        after = before.with_probabilities(softer.of(rows))
        (one,) = by_source(before, after)
        assert (one.source, one.images) == ("b", 1500)
        assert one.temperature == pytest.approx(3.0, rel=0.15)
        assert one.ece_after < one.ece_before
        assert one.brier_after < one.brier_before

    def test_tumors_of_unknown_kind_count_as_tumors(self):
        rows = [[0.1, 0.6, 0.3], [0.8, 0.1, 0.1]] * 50
        found = fit_softening(seen(["tumor", "no_tumor"] * 50, rows))
        assert found.temperature < 1  # all are right, so they may be surer

    def test_how_sure_of_a_tumor_is_apart_from_how_sure_of_its_kind(self):
        rows = np.array([[0.2, 0.6, 0.2], [0.9, 0.05, 0.05]])
        surer = replace(Softening.nothing(TUMORS), temperature=0.5).of(rows)
        vaguer = replace(Softening.nothing(TUMORS), kind_temperature=4.0).of(rows)
        np.testing.assert_allclose(surer.sum(axis=1), 1)
        np.testing.assert_allclose(surer[:, 1] / surer[:, 2], rows[:, 1] / rows[:, 2])
        assert surer[0, 0] < rows[0, 0]
        assert surer[1, 0] > rows[1, 0]
        np.testing.assert_allclose(vaguer[:, 0], rows[:, 0])
        assert vaguer[0, 1] - vaguer[0, 2] < rows[0, 1] - rows[0, 2]

    def test_sure_kinds_and_vague_tumors_are_both_mended(self):
        chance = np.random.default_rng(2)
        tumor = chance.uniform(0.05, 0.95, 4000)
        kind = chance.uniform(0.05, 0.95, 4000)
        true = np.stack([1 - tumor, tumor * kind, tumor * (1 - kind)], 1)
        labels = [CLASSES[chance.choice(3, p=row)] for row in true]
        wrong = replace(Softening.nothing(TUMORS), temperature=3.0, kind_temperature=0.3).of(true)
        found = fit_softening(seen(labels, wrong))
        assert found.temperature == pytest.approx(1 / 3, rel=0.15)
        assert found.kind_temperature == pytest.approx(1 / 0.3, rel=0.15)


class _Given(ClassifierMixin, BaseEstimator):
    """An estimator whose probabilities are its inputs."""

    def fit(self, x, y):
        self.classes_ = np.arange(3)
        return self

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return x.argmax(axis=1)


class TestPredictionSets:
    @pytest.mark.filterwarnings("ignore:WARNING. your conformalization:UserWarning")
    def test_they_are_those_of_mapie_class_by_class(self):
        labels, rows = overconfident(600, 1.0)
        levels = {level.coverage: level.limits for level in conformal_levels(seen(labels, rows))}
        numbers = np.array([CLASSES.index(label) for label in labels])
        fresh = overconfident(200, 1.0, seed=3)[1]
        for coverage in (0.8, 0.9):
            mine = [prediction_set(dict(zip(CLASSES, row, strict=True)), levels[coverage])
                    for row in fresh]  # fmt: skip
            for number, name in enumerate(CLASSES):
                chosen = numbers == number
                theirs = SplitConformalClassifier(
                    _Given().fit(None, None), confidence_level=coverage, prefit=True
                ).conformalize(rows[chosen], numbers[chosen])
                kept = theirs.predict_set(fresh)[1][:, number, 0]
                assert [name in one for one in mine] == kept.tolist()

    def test_each_class_is_covered_as_often_as_is_asked(self):
        labels, rows = overconfident(4000, 1.0)
        fresh, given = overconfident(4000, 1.0, seed=9)
        for level in conformal_levels(seen(labels, rows)):
            if level.coverage not in (0.6, 0.9):
                continue
            for name in CLASSES:
                number = CLASSES.index(name)
                mine = given[[label == name for label in fresh], number]
                assert np.mean(1 - mine <= level.limits[name]) == pytest.approx(
                    level.coverage, abs=0.03
                )

    def test_too_few_images_of_a_class_rule_it_never_out(self):
        levels = conformal_levels(seen(["glioma"] * 30, [[0.1, 0.8, 0.1]] * 30))
        assert all(level.limits["meningioma"] == 1.0 for level in levels)

    def test_another_coverage_can_be_asked_for_and_an_unknown_one_is_refused(self):
        labels, rows = overconfident(600, 1.0)
        decision = Decision(conformal=conformal_levels(seen(labels, rows)))
        metadata = METADATA.model_copy(update={"decision": decision})
        assert at_coverage(metadata, 0.8).thresholds.coverage == 0.8
        with pytest.raises(ModelIncompatible, match=r"coverage 0\.123"):
            at_coverage(metadata, 0.123)


class TestLimits:
    def test_enough_tumors_stay_above_the_threshold(self):
        labels, rows = overconfident(900, 1.0)
        point = operating_point(seen(labels, rows), "fold 2")
        assert point.sensitivity >= 0.97
        assert point.tumors + point.free == 900

    def test_without_a_tumor_there_is_no_threshold_to_choose(self):
        assert operating_point(seen(["no_tumor"], [[0.9, 0.1, 0.0]]), "fold 2") is None

    def test_what_is_given_is_right_often_enough_on_other_images_too(self):
        rule = selection(seen(*overconfident(4000, 1.0, spread=5)), Thresholds(), "fold 2")
        assert rule.accuracy >= rule.target
        assert 0.3 < rule.answered < 0.98
        labels, rows = overconfident(4000, 1.0, seed=5, spread=5)
        tumor = rows[:, 1:].sum(axis=1)
        called = tumor >= 0.5
        chosen = np.where(called, 1 + rows[:, 1:].argmax(axis=1), 0)
        right = chosen == [CLASSES.index(label) for label in labels]
        share = rows[:, 1:].max(axis=1) / tumor
        of_tumors = (tumor >= rule.tumor) & (share >= rule.kind)
        given = np.where(called, of_tumors, rows[:, 0] >= rule.no_tumor)
        assert right[given].mean() == pytest.approx(0.97, abs=0.015)
        assert given.mean() == pytest.approx(rule.answered, abs=0.05)

    def test_answers_that_are_all_right_are_all_given(self):
        rows = [[0.02, 0.97, 0.01], [0.9, 0.05, 0.05]] * 100
        rule = selection(seen(["glioma", "no_tumor"] * 100, rows), Thresholds(), "fold 2")
        limits = (rule.tumor, rule.kind, rule.no_tumor)
        assert (limits, rule.accuracy, rule.answered) == ((0.0, 0.0, 0.0), 1.0, 1.0)

    def test_the_more_is_asked_for_the_less_is_given(self):
        held_out = seen(*overconfident(2000, 1.0, spread=5))
        given = [selection(held_out, Thresholds(), "x", share).answered for share in (0, 0.9, 0.97)]
        assert given[0] == 1.0
        assert given == sorted(given, reverse=True)

    def test_tumors_of_unknown_kind_are_right_as_tumors(self):
        rows = [[0.1, 0.5, 0.4]] * 60
        rule = selection(seen(["tumor"] * 60, rows), Thresholds(), "fold 2")
        assert (rule.accuracy, rule.answered) == (1.0, 1.0)

    def test_where_all_are_tumors_nothing_is_said_of_false_alarms(self):
        rows = [[0.4, 0.5, 0.1]] * 60
        assert selection(seen(["glioma"] * 60, rows), Thresholds(), "x").tumor == 0.0
        doubtful = [[0.3, 0.7, 0.0]] * 20
        both = seen(["glioma"] * 40 + ["no_tumor"] * 20, [[0.1, 0.8, 0.1]] * 40 + doubtful)
        assert selection(both, Thresholds(), "x").tumor == pytest.approx(0.9, abs=1e-3)

    def test_a_hard_fold_decides_for_all(self):
        unsure, sure = [[0.0, 0.9, 0.1]], [[0.0, 0.99, 0.01]]
        rows = unsure * 900 + sure * 100 + unsure * 100 + sure * 50
        labels = ["glioma"] * 1000 + ["glioma", "meningioma"] * 10 + ["glioma"] * 130
        folds = [2] * 1000 + [3] * 150
        assert selection(seen(labels, rows), Thresholds(), "x").kind == 0.0
        rule = selection(seen(labels, rows, folds=folds), Thresholds(), "x")
        assert rule.kind == pytest.approx(0.99, abs=1e-3)

    def test_a_fold_of_few_images_forbids_nothing(self):
        rows, labels = [[0.0, 0.9, 0.1]] * 1010, ["glioma"] * 1000 + ["meningioma"] * 10
        rule = selection(seen(labels, rows, folds=[2] * 1000 + [3] * 10), Thresholds(), "x")
        assert rule.answered == 1.0

    def test_sets_of_tumors_alone_do_not_hide_false_alarms_in_others(self):
        rows = [[0.1, 0.9, 0.0]] * 2000 + [[0.1, 0.9, 0.0], [0.3, 0.7, 0.0]] * 40
        labels = ["glioma"] * 2000 + ["glioma", "no_tumor"] * 40
        sources = ["tumors"] * 2000 + ["both"] * 80
        assert selection(seen(labels, rows), Thresholds(), "x").tumor == 0.0
        rule = selection(seen(labels, rows, sources=sources), Thresholds(), "x")
        assert rule.tumor == pytest.approx(0.9, abs=1e-3)

    def test_a_kind_that_is_unsure_does_not_withhold_that_there_is_no_tumor(self):
        rows = [[0.9, 0.1, 0.0]] * 40 + [[0.0, 0.9, 0.1]] * 40 + [[0.0, 0.6, 0.4]] * 40
        labels = ["no_tumor"] * 40 + ["glioma"] * 40 + ["glioma", "meningioma"] * 20
        rule = selection(seen(labels, rows), Thresholds(), "x")
        assert 0.6 < rule.kind <= 0.9
        assert rule.no_tumor == 0.0
        assert rule.answered == pytest.approx(2 / 3)

    def test_few_answers_prove_no_limit(self):
        rows = [[0.1, 0.8, 0.1]] * 20
        assert selection(seen(["glioma"] * 20, rows), Thresholds(), "fold 2") is None

    def test_few_maps_of_tumors_raise_the_alarm(self):
        frame = np.linspace(0, 1, 201)
        found = frame_limit(seen(["glioma"] * 201, [[0, 1, 0]] * 201, frame=frame))
        assert found == pytest.approx(0.99)

    def test_a_trace_at_the_border_is_no_alarm_where_marks_leave_it_empty(self):
        rows = [[0, 1, 0]] * 200
        found = frame_limit(seen(["glioma"] * 200, rows, frame=np.zeros(200)))
        assert judge_frame(0.01, found).status is None
        assert judge_frame(0.2, found).status is Status.UNCERTAIN


@functools.cache
def drawn_heads():
    return np.array([facts_of(draw_phantom(seed, size=64).pixels) for seed in range(100)])


class TestPictureGate:
    @pytest.fixture
    def heads(self):
        return drawn_heads()

    def test_other_heads_pass_and_what_is_no_head_is_rejected(self, heads):
        parts = np.arange(100) % 5
        gate = fit_picture_gate(heads[:80], np.array(["drawn"] * 80), parts[:80])
        passed = [judge_picture(one, gate).status for one in heads[80:]]
        assert passed.count(Status.REJECTED) <= 1
        chance = np.random.default_rng(0)
        down, across = np.mgrid[:96, :96] / 96
        for picture in (chance.random((96, 96)), down, np.sin(20 * across) * np.sin(30 * down)):
            facts = facts_of(picture.astype(np.float32))
            assert judge_picture(facts, gate).status is Status.REJECTED

    def test_no_source_loses_more_than_the_others_may(self, heads):
        chance = np.random.default_rng(1)
        odd = heads[:60] + chance.normal(0, 0.5, (60, heads.shape[1]))
        facts = np.concatenate([heads, odd])
        sources = np.array(["many"] * 100 + ["odd"] * 60)
        parts = np.arange(160) % 5
        gate = fit_picture_gate(facts, sources, parts)
        lost = [judge_picture(one, gate).status is Status.REJECTED for one in odd]
        assert np.mean(lost) <= FALSE_REJECTION + 0.02

    def test_extremes_are_told_only_by_enough_pictures(self, heads):
        chance = np.random.default_rng(2)
        size = heads.shape[1]
        enough = round(2 * size / UNUSUAL)
        facts = chance.normal(0, 1, (enough, size))
        sources, parts = np.array(["one"] * enough), np.arange(enough) % 3
        gate = fit_picture_gate(facts, sources, parts)
        assert not fit_picture_gate(facts[2:], sources[2:], parts[2:]).most
        passed = [judge_picture(one, gate).status is None for one in facts[:200]]
        assert np.mean(passed) > 1 - 2 * UNUSUAL
        away = np.zeros(size)
        assert judge_picture(away, gate).status is None
        away[3] = facts[:, 3].max() + 0.01
        assert judge_picture(away, gate).status is Status.UNCERTAIN


class TestStudies:
    def test_the_rule_that_tells_runs_apart_best_is_chosen(self):
        chance = np.random.default_rng(0)
        runs, labels = [], []
        for number in range(60):
            values = chance.uniform(0.05, 0.3, 10)
            values[chance.integers(10)] = 0.9  # one odd slice in every run
            if number % 2:
                values[:4] = chance.uniform(0.7, 0.9, 4)
            runs.append(values)
            labels.append(bool(number % 2))
        rule = fit_study_rule(Runs(runs, np.array(labels), "drawn runs"))
        assert rule.highest > 1
        assert rule.auroc > 0.95
        assert rule.no_tumor <= 0.5 <= rule.tumor

    def test_runs_of_one_kind_only_give_no_rule(self):
        assert fit_study_rule(Runs([np.ones(5)], np.array([True]), "drawn runs")) is None

    def test_only_series_with_both_kinds_of_slices_are_cut_into_runs(self):
        labels = ["no_tumor"] * 10 + ["glioma"] * 10 + ["glioma"] * 10
        rows = [[0.9, 0.1, 0.0]] * 10 + [[0.1, 0.9, 0.0]] * 20
        groups = ["mixed"] * 20 + ["all tumor"] * 10
        runs = runs_of(seen(labels, rows, groups=groups))
        assert runs.tumor.tolist() == [False, True, True]

    def test_one_odd_slice_does_not_speak_for_all(self):
        odd = np.array([0.9, 0.1, 0.1, 0.1])
        assert mean_of_highest(odd, 3) < 0 < mean_of_highest(odd, 1)
        assert mean_of_highest(np.array([1.0, 0.0]), 9) == pytest.approx(0, abs=1e-6)


def test_the_reference_of_drift_is_spread_evenly_over_its_bins():
    found = histogram("novelty", np.random.default_rng(0).normal(1, 0.1, 1000))
    assert found.shares == pytest.approx([0.1] * 10, abs=0.01)
    assert len(found.quantiles) == 101


def test_a_figure_with_one_value_has_a_reference():
    assert sum(histogram("novelty", np.ones(20)).shares) == pytest.approx(1)


def test_the_nearest_examples_are_those_of_the_features():
    chance = np.random.default_rng(0)
    centres = chance.normal(0, 5, (2, 64))
    features = np.concatenate([centre + chance.normal(0, 1, (40, 64)) for centre in centres])
    labels = ["glioma"] * 40 + ["no_tumor"] * 40
    learnt = seen(labels, np.full((80, 3), 1 / 3), features=features)
    projection, table = fit_neighbours(learnt, learnt.subset(np.arange(0, 80, 7)))
    codes = np.frombuffer(base64.b64decode(table.codes), np.int8).reshape(80, table.dimensions)
    asked = projection.of(centres[:1])
    apart = np.linalg.norm(codes * table.step - asked, axis=1)
    assert table.labels[table.label_of[int(apart.argmin())]] == "glioma"
    assert nearest_distance(asked, codes * table.step)[0] == pytest.approx(apart.min())
    assert table.usual <= table.far


class TestOutlines:
    """If these fail, what counts as marked is fitted on what the network has learnt, or on half."""

    def test_those_of_other_models_count_too(self):
        faint, sure = _outlined(0.2), _outlined(0.9)
        none = seen(["glioma"], np.array([[0.1, 0.8, 0.1]]))
        joined = faint.beside([sure, none])
        assert len(joined) == 3
        assert len(joined.overlaps) == 2
        assert joined.overlaps.rules().level <= 0.2
        assert sure.overlaps.rules().level > 0.2

    def test_where_nothing_is_drawn_there_are_none(self):
        none = seen(["glioma"], np.array([[0.1, 0.8, 0.1]]))
        assert none.beside([none]).overlaps is None


def _outlined(probability):
    """One image whose lesion is marked with a probability."""
    values = np.full((1, 8, 8), 0.01, np.float32)
    values[:, 2:6, 2:6] = probability
    found = seen(["glioma"], np.array([[0.1, 0.8, 0.1]]))
    return replace(found, overlaps=Overlaps.of(values, values > 0.1))
