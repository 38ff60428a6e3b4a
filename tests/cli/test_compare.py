"""If these fail, nobody can set evaluations side by side from the command line."""

from tests.evaluate.test_compare import evaluation
from tumorlens.data.manifest import Protocol
from tumorlens.evaluate.evaluation import to_json


def test_the_command_keeps_short_copies_that_compare_alike(tmp_path, tumorlens):
    root = tmp_path / "measured"
    for name, protocol in (("cnn-authors", Protocol.AUTHORS), ("cnn-groups", Protocol.GROUPED)):
        (root / name).mkdir(parents=True)
        (root / name / "evaluation.json").write_text(to_json(evaluation(protocol)))
    kept = tmp_path / "kept"
    first = tumorlens("compare", root, "--format", "markdown", "--keep", kept)
    assert first.code == 0, first.err
    assert {path.name for path in kept.iterdir()} == {"cnn-authors.json", "cnn-groups.json"}
    assert tumorlens("compare", kept, "--format", "markdown").out == first.out
    assert "0.600 (0.500 to 0.600)" in first.out
    whole = tumorlens("compare", kept, "--recipe", "cnn-4class")
    assert "copy-detector" in whole.out
    assert tumorlens("compare", kept, "--recipe", "gone").code == 2
    assert tumorlens("compare", tmp_path / "nowhere").code == 2
