"""If these fail, the README promises what is not there, or a figure that was not measured."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import recipe_pages
from tumorlens.evaluate.compare import compare, find
from tumorlens.evaluate.holdout import load_evaluation
from tumorlens.evaluate.tables import to_markdown
from tumorlens.model.registry import BUNDLED, REGISTRY_FILE, load_model
from tumorlens.train.recipe import recipe_names

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVALUATION = ROOT / "docs" / "reference" / "evaluation.json"

bundled = pytest.mark.skipif(
    not (BUNDLED / REGISTRY_FILE).is_file(), reason="no model is bundled with this checkout"
)


def python_blocks():
    for page in PAGES:
        for number, code in enumerate(
            re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        ):
            yield pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")


@bundled
@pytest.mark.parametrize("code", list(python_blocks()))
def test_every_python_example_runs(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@bundled
class TestPublishedFigures:
    def test_they_are_those_of_the_bundled_file(self):
        published = load_evaluation(EVALUATION)
        registry = json.loads((BUNDLED / REGISTRY_FILE).read_text())
        assert published.model_sha256 == registry["models"][published.model]["sha256"]
        assert published.metrics == load_model(published.model).metadata.metrics

    def test_the_page_shows_them_as_they_were_measured(self):
        page = EVALUATION.with_suffix(".md").read_text()
        assert to_markdown(load_evaluation(EVALUATION)) in page

    def test_the_readme_shows_them_as_they_were_measured(self):
        figures = {(m.name, m.on): m for m in load_evaluation(EVALUATION).metrics}
        lines = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([\d.]+) \((.+?)\) \|$",
                           (ROOT / "README.md").read_text(), re.MULTILINE)  # fmt: skip
        assert lines
        for name, on, value, limits in lines:
            metric = figures[name.strip(), on.strip()]
            assert value == f"{metric.value:.3f}"
            assert limits == f"{metric.low:.3f} to {metric.high:.3f}"


class TestRecipes:
    """If these fail, a page shows figures of a recipe that no evaluation has."""

    def test_every_page_shows_the_figures_of_its_evaluations(self):
        for page, figures in recipe_pages.blocks().items():
            assert f"<!-- figures -->\n{figures}<!-- end of figures -->" in page.read_text(), (
                f"{page.name}: write it anew: python benchmarks/recipe_pages.py"
            )

    def test_every_recipe_that_was_evaluated_is_one_of_the_package(self):
        evaluated = {one.made.recipe for one in compare(find([recipe_pages.EVALUATIONS]))}
        assert evaluated <= set(recipe_names())

    def test_the_page_on_training_lists_every_recipe_of_the_package(self):
        page = (ROOT / "docs" / "how-to" / "train.md").read_text()
        assert set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)) == set(recipe_names())

    def test_the_evaluations_are_small_enough_to_be_kept_beside_code(self):
        for path in recipe_pages.EVALUATIONS.glob("*.json"):
            assert path.stat().st_size < 24_000, path.name
