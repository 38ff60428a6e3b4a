"""If these fail, thresholds, evidence or audits are shown wrongly, or a bad file breaks a page."""

from __future__ import annotations

import builtins

import pytest

from tests.app.conftest import ROOT, given, png, words, zipped
from tumorlens.app import folders, published
from tumorlens.decide.finding import NOTICE

EVALUATION = (ROOT / "docs" / "reference" / "evaluation.json").read_bytes()
# Ten images with a tumor, of which nine are above one half, and ten without, of which eight below.
TABLE = "name,label,group,no_tumor,glioma\n" + "".join(
    f"{kind}/{i}.png,{label},{kind}{i},{1 - score:.3f},{score:.3f}\n"
    for kind, label, scores in (
        ("s", "glioma", (0.2, *[0.9] * 9)),
        ("s/none", "no_tumor", (*[0.1] * 8, 0.6, 0.7)),
    )
    for i, score in enumerate(scores)
)


def metrics(app):
    """Name → figure."""
    return {one.label: one.value for one in app.metric}


class TestThresholds:
    def test_the_published_evaluation_is_shown_until_another_is_given(self, page):
        app = page("thresholds")
        assert not app.exception
        assert "published evaluation" in words(app)
        assert list(metrics(app)) == ["Specificity, at best"]
        assert NOTICE in words(app)

    def test_less_sensitivity_gives_no_less_specificity(self, page):
        app = given(page("thresholds"), "evaluation file", ("evaluation.json", EVALUATION))
        values = []
        for wanted in (99, 80, 50):
            app = app.slider[0].set_value(wanted).run()
            values.append(float(metrics(app)["Specificity, at best"].removesuffix(" %")))
        assert values == sorted(values)
        assert values[-1] > 0

    def test_moving_the_threshold_moves_what_is_found_and_missed(self, page):
        app = given(page("thresholds"), "evaluation file", ("predictions.csv", TABLE.encode()))
        assert not app.exception
        assert metrics(app) == {
            "Sensitivity": "90.0 %",
            "Specificity": "80.0 %",
            "Called a tumor": "55.0 %",
            "Left to a person": "0.0 %",
        }
        app = app.slider[0].set_value(0.15).run()
        assert metrics(app)["Sensitivity"] == "100.0 %"
        app = app.slider[0].set_value(0.65).run()
        assert metrics(app)["Specificity"] == "90.0 %"

    def test_a_band_leaves_images_to_a_person(self, page):
        app = given(page("thresholds"), "evaluation file", ("predictions.csv", TABLE.encode()))
        app = app.slider[0].set_value(0.8).run()
        app = app.slider[1].set_value(0.3).run()
        assert metrics(app)["Left to a person"] == "10.0 %"
        assert "95 % interval" in words(app)

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("predictions.csv", b"name,label\na,b\n"),
            ("predictions.csv", b"\xff\xfe\x00"),
            ("evaluation.json", b'{"record": 1}'),
            ("predictions.csv", TABLE.replace("0.900", "7.0").encode()),
        ],
    )
    def test_another_file_is_one_message_that_names_it(self, page, name, data):
        app = given(page("thresholds"), "evaluation file", (name, data))
        assert not app.exception
        assert f"{name}: " in words(app)
        assert not app.metric


class TestEvidence:
    def test_a_model_without_figures_is_said_to_have_none(self, page):
        said = words(page("evidence"))
        assert "This model file says nothing of how good it is" in said
        assert "a tumor probability of 0.500" in said

    def test_an_evaluation_is_shown_with_unseen_sets_first_and_its_controls(self, page):
        app = given(page("evidence"), "own evaluation", ("evaluation.json", EVALUATION))
        assert not app.exception
        heads = [one.value for one in app.subheader]
        assert heads.index("On sets that it has never seen") < heads.index(
            "On held-out images of the sets that it learnt from"
        )
        assert "Beside controls that know nothing of tumors" in heads
        assert "copy-detector" in app.dataframe[2].value.columns

    def test_the_bundled_model_has_its_published_evaluation(self):
        known = published.published()
        assert known is not None
        assert published.evaluation_of(known.model_sha256) is known
        assert published.evaluation_of("0" * 64) is None

    def test_another_file_is_one_message(self, page):
        app = given(page("evidence"), "own evaluation", ("x.json", b"[]"))
        assert not app.exception
        assert "x.json: not an evaluation" in words(app)


class TestAudit:
    @pytest.fixture
    def leaky(self):
        """A set of which the one test image stands in training as well."""
        heads = {f"{i}": png(10 + i, tumor=None, size=64) for i in range(6)}
        members = {f"set/Training/no/{i}.png": data for i, data in heads.items()}
        members |= {f"set/Training/yes/{i}.png": png(30 + int(i), size=64) for i in heads}
        members["set/Testing/no/copy.png"] = heads["0"]
        members["set/Testing/yes/new.png"] = png(50, size=64)
        members["set/images.csv"] = b"path,label\n/etc/passwd,no\n"
        return zipped(members)

    def test_an_uploaded_folder_gets_a_verdict(self, page, leaky, monkeypatch):
        monkeypatch.setattr("tumorlens.app.screens.audit.available_cores", lambda: 1)
        app = given(page("audit"), "audit zip", ("set.zip", leaky))
        (button,) = [one for one in app.button if one.label == "Audit"]
        app = button.click().run()
        assert not app.exception
        assert [one.value for one in app.header] == ["Verdict"]
        leaks = {one.value for one in app.subheader}
        assert {"Sets", "Leaks"} <= leaks
        assert [one.label for one in app.download_button] == [
            "The whole audit as a page",
            "As JSON",
        ]

    def test_a_zip_without_images_is_one_message(self, page):
        app = given(page("audit"), "audit zip", ("set.zip", zipped({"notes.txt": b"x"})))
        (button,) = [one for one in app.button if one.label == "Audit"]
        app = button.click().run()
        assert not app.exception
        assert "set.zip: holds no images" in words(app)

    def test_a_folder_elsewhere_than_allowed_is_refused(self, page, tmp_path, monkeypatch):
        monkeypatch.setenv(folders.FOLDERS_VARIABLE, str(tmp_path / "sets"))
        app = page("audit").text_input(key="audit folder").set_value("/etc").run()
        (button,) = [one for one in app.button if one.label == "Audit"]
        app = button.click().run()
        assert "/etc: may not be audited here" in words(app)

    def test_a_missing_extra_is_said_in_two_lines(self, page, monkeypatch):
        real = builtins.__import__

        def without(name, *rest, **more):
            if name == "sklearn":
                raise ModuleNotFoundError(name="sklearn")
            return real(name, *rest, **more)

        monkeypatch.setattr(builtins, "__import__", without)
        app = page("audit")
        assert not app.exception
        assert "tumorlens[data]" in words(app)
        assert not app.file_uploader
