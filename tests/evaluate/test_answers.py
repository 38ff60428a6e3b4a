"""If these fail, what another program answered cannot be measured, or is misread."""

import numpy as np
import pytest

from tumorlens.errors import DatasetError
from tumorlens.evaluate.answers import load_answers

GOOD = "name,label,no_tumor,glioma,chosen\nset/a.png,glioma,0.25,0.75,glioma\nset/b.png,,1,0,\n"


def table(tmp_path, text, name="Some answers.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_gives_classes_and_answers_by_name(tmp_path, named):
    found = load_answers(table(tmp_path, GOOD))
    assert found.metadata.classes == ("no_tumor", "glioma")
    assert found.metadata.positive == ("glioma",)
    assert found.metadata.name == "some-answers"
    entries = named(["glioma", "no_tumor"], source="set")
    renamed = table(tmp_path, GOOD.replace("a.png", "1.png").replace("b.png", "0.png"))
    np.testing.assert_array_equal(load_answers(renamed).to(entries), [[1, 0], [0.25, 0.75]])


def test_a_table_that_lacks_images_says_how_many_and_which(tmp_path, named):
    with pytest.raises(DatasetError, match=r"2 of 2 images not, such as drawn/0.png"):
        load_answers(table(tmp_path, GOOD)).to(named(["glioma", "glioma"]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name\nset/a.png\n",
        "image,no_tumor,glioma\na,0,1\n",
        "name,no_tumor,glioma\na,0,much\n",
        "name,no_tumor,glioma\na,0\n",
        "name,no_tumor,glioma\na,0.5,0.6\n",
        "name,no_tumor,glioma\na,-0.5,1.5\n",
        "name,no_tumor,glioma\na,nan,1\n",
        "name,glioma,pituitary\na,0,1\n",
    ],
)
def test_what_is_no_table_of_answers_is_refused(tmp_path, text):
    with pytest.raises(DatasetError, match=r"answers\.csv: "):
        load_answers(table(tmp_path, text))


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="not a table of answers"):
        load_answers(tmp_path / "gone.csv")
    (tmp_path / "noise.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="not a table of answers"):
        load_answers(tmp_path / "noise.csv")
