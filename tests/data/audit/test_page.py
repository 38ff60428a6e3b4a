"""The page of an audit: what a reader finds on it, and that it can do no harm."""

from __future__ import annotations

import base64
import io
import re
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tumorlens.data.audit.page import write_page
from tumorlens.data.audit.page.pictures import turn_pixels, undo
from tumorlens.data.audit.report import (
    AuditReport,
    ClassCount,
    Control,
    Copy,
    CopyCount,
    Count,
    Leak,
    Overlap,
    PatientLeak,
    Problem,
    ProblemKind,
    Relation,
    Sentence,
    SetSummary,
    Severity,
    Suspect,
    Turn,
)
from tumorlens.errors import TumorLensError

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOSTILE = "a/Training/glioma/<script>document.title='owned'</script>\"'.jpg"


def summary(name: str, **changes: Any) -> SetSummary:
    fields: dict[str, Any] = {
        "name": name,
        "folder": f"/sets/{name}",
        "files": 7023,
        "readable": 7020,
        "distinct": 3300,
        "groups": 2100,
        "classes": (
            ClassCount(label="glioma", split="train", images=1321),
            ClassCount(label="glioma", split="test", images=300),
            ClassCount(label="no_tumor", split="train", images=1595),
            ClassCount(label="no_tumor", split="test", images=405),
        ),
        "imbalance": 1.4,
        "formats": (Count(value="jpeg", images=7000), Count(value="png", images=23)),
        "modes": (Count(value="L", images=7023),),
        "sizes": (Count(value="512 x 512", images=7023),),
        "aspects": (Count(value="1.0", images=7023),),
        "flags": (Count(value="blurred", images=12),),
        "samples": {"glioma": (f"{name}/Training/glioma/1.png",)},
    }
    return SetSummary(**(fields | changes))


def copy_of(first: str, second: str, **changes: Any) -> Copy:
    fields: dict[str, Any] = {
        "first": first,
        "second": second,
        "relation": Relation.SAME,
        "correlation": 0.997,
        "turn": Turn.MIRRORED,
        "across_classes": False,
        "across_splits": True,
        "across_sets": False,
    }
    return Copy(**(fields | changes))


def report_of(**changes: Any) -> AuditReport:
    fields: dict[str, Any] = {
        "created": "2026-01-02T03:04:05+00:00",
        "tumorlens": "0.1.0",
        "seconds": 12.3,
        "verdict": (
            Sentence(severity=Severity.FINE, text="The classes are about equally large."),
            Sentence(severity=Severity.SERIOUS, text="Three in four test images are known."),
        ),
        "sets": (summary("a"),),
        "problems": (),
        "copies": (),
        "copies_left_out": 0,
        "leaks": (Leak(name="a", split="test", against="train", images=1311, same=979, near=1100),),
        "overlaps": (),
        "patients": (),
        "controls": (),
        "suspects": (),
    }
    return AuditReport(**(fields | changes))


def slice_file(folder: Path, name: str, seed: int = 0) -> Path:
    """A picture with no symmetry, so that every turn of it is another one."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
    coarse.resize((96, 96), Image.Resampling.BICUBIC).save(path)
    return path


def page_of(tmp_path: Path, report: AuditReport, images: Any = None, **options: Any) -> str:
    path = tmp_path / "out" / "audit.html"
    write_page(report, images or {}, path, **options)
    return path.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


class _Tags(HTMLParser):
    """Every element of a page with its attributes, and which are open at the end."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "rect", "path", "circle"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag, "elements must close in the order they were opened"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def full(tmp_path: Path) -> tuple[AuditReport, dict[str, Path]]:
    """A report with something in every part, and the files of its images."""
    names = [f"a/{split}/glioma/{i}.png" for split in ("Testing", "Training") for i in range(12)]
    names += ["b/no/1.png", "b/yes/2.png"]
    images = {name: slice_file(tmp_path, name, i) for i, name in enumerate(names)}
    copies = [
        copy_of(names[i], names[12 + i], turn=list(Turn)[i % len(Turn)], correlation=1 - i / 1000)
        for i in range(12)
    ]
    copies.append(
        copy_of(
            "b/no/1.png",
            "b/yes/2.png",
            across_splits=False,
            across_classes=True,
            first_label="no_tumor",
            second_label="tumor",
        )
    )
    copies.append(copy_of(names[0], "b/yes/2.png", across_sets=True, across_splits=False))
    report = report_of(
        sets=(summary("a"), summary("b", classes=(), samples={})),
        copies=tuple(copies),
        copies_left_out=5,
        overlaps=(
            Overlap(of="a", among="b", images=100, same=70, near=80),
            Overlap(of="b", among="a", images=10, same=0, near=1),
        ),
        patients=(PatientLeak(name="a", patient="p7", splits=("train", "test"), images=9),),
        controls=(
            Control(
                name="copy-detector",
                on="a, test",
                accuracy=0.973,
                balanced_accuracy=0.97,
                chance=0.309,
                images=1311,
            ),
            Control(
                name="shuffled labels",
                on="a, test",
                accuracy=0.3,
                balanced_accuracy=0.25,
                chance=0.309,
                images=1311,
            ),
        ),
        problems=tuple(
            Problem(image=f"a/{i}.jpg", kind=ProblemKind.TRUNCATED, detail=f"{i} of 99 kB")
            for i in range(9)
        ),
        suspects=(Suspect(image=names[0], label="glioma", suggested="no_tumor", confidence=0.98),),
    )
    return report, images


class TestWhatAReaderFinds:
    def test_the_serious_comes_first_and_in_words(self, tmp_path: Path) -> None:
        text = text_of(page_of(tmp_path, report_of()))
        assert text.index("Serious") < text.index("Three in four") < text.index("Fine ")

    def test_the_headline_figures(self, tmp_path: Path, full: Any) -> None:
        text = text_of(page_of(tmp_path, *full))
        for figure in ("7,023", "3,300", "2,100", "74.7 %", "979 of 1,311 images", "97.3 %"):
            assert figure in text

    def test_leaked_pairs_are_side_by_side_and_named_in_words(
        self, tmp_path: Path, full: Any
    ) -> None:
        page = page_of(tmp_path, *full)
        text = text_of(page)
        assert "mirrored copy" in text
        assert "copy, mirrored and rotated by 90°" in text
        assert "test · glioma" in text
        assert "train · glioma" in text
        assert page.count('<figure class="pair item">') == 14

    def test_conflicts_name_both_labels(self, tmp_path: Path, full: Any) -> None:
        page = page_of(tmp_path, *full)
        conflicts = text_of(page[page.index('id="conflicts"') : page.index('id="overlap"')])
        assert " no_tumor " in conflicts
        assert " tumor " in conflicts

    def test_overlap_patients_controls_problems_and_suspects(
        self, tmp_path: Path, full: Any
    ) -> None:
        text = text_of(page_of(tmp_path, *full))
        for words in (
            "70.0 % 70 (80.0 %)",
            "p7 train, test 9",
            "97.3 % , far above chance (30.9 %)",
            "30.0 % , about chance (30.9 %)",
            "a/3.jpg cut short 3 of 99 kB",
            "glioma → no_tumor , 98.0 % sure",
            "5 pairs more are not shown here",
        ):
            assert words in text

    def test_all_sets_together_and_all_pairs_are_counted(self, tmp_path: Path, full: Any) -> None:
        report, images = full
        counts = CopyCount(
            relation=Relation.NEAR,
            pairs=4321,
            turned=17,
            across_classes=0,
            across_splits=2431,
            across_sets=1405,
        )
        more = {"distinct": 4213, "groups": 2999, "copy_counts": (counts,)}
        text = text_of(page_of(tmp_path, report.model_copy(update=more), images))
        assert "All sets together: how many images there really are" in text
        assert "files 14,046" in text
        assert "distinct pictures 4,213" in text
        assert "near-copy 4,321 17 0 2,431 1,405" in text

    def test_every_kind_of_thing_has_its_words(self, tmp_path: Path) -> None:
        problems = tuple(Problem(image=f"a/{kind}", kind=kind, detail="so") for kind in ProblemKind)
        copies = tuple(
            copy_of("a/1", "a/2", relation=relation, turn=turn)
            for relation in Relation
            for turn in Turn
        )
        verdict = tuple(Sentence(severity=one, text="so") for one in Severity)
        page = page_of(tmp_path, report_of(problems=problems, copies=copies, verdict=verdict))
        assert page.count('<figure class="pair item">') == len(copies)

    def test_nothing_found_is_said_and_not_left_blank(self, tmp_path: Path) -> None:
        text = text_of(page_of(tmp_path, report_of(leaks=(), verdict=())))
        for words in ("no verdict", "No set here has splits", "under two labels", "No label"):
            assert words in text

    def test_every_part_has_a_heading_that_the_contents_point_to(
        self, tmp_path: Path, full: Any
    ) -> None:
        tags = _Tags(page_of(tmp_path, *full))
        ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
        assert len(ids) == len(set(ids))
        links = {str(a["href"]) for a in tags.all("a")}
        assert {link.removeprefix("#") for link in links} <= set(ids)
        assert {a["id"] for a in tags.all("section")} <= {link[1:] for link in links}
        assert not tags.open

    def test_pictures_have_words_and_tables_captions(self, tmp_path: Path, full: Any) -> None:
        tags = _Tags(page_of(tmp_path, *full))
        assert all(image.get("alt") for image in tags.all("img"))
        assert len(tags.all("caption")) == len(tags.all("table"))


class TestPictures:
    @pytest.mark.parametrize("turn", list(Turn))
    def test_turning_back_gives_the_picture(self, turn: Turn) -> None:
        pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
        assert np.array_equal(turn_pixels(turn_pixels(pixels, turn), undo(turn)), pixels)

    def test_rotations_go_clockwise_as_the_search_has_them(self) -> None:
        pixels = np.array([[1, 2], [3, 4]], dtype=np.float32)
        assert turn_pixels(pixels, Turn.ROTATED_90).tolist() == [[3, 1], [4, 2]]
        assert turn_pixels(pixels, Turn.MIRRORED_ROTATED_90).tolist() == [[4, 2], [3, 1]]

    @pytest.mark.parametrize("turn", list(Turn))
    @pytest.mark.parametrize("test_comes_first", [True, False])
    def test_the_twin_lies_on_the_test_image(
        self, tmp_path: Path, turn: Turn, *, test_comes_first: bool
    ) -> None:
        first = slice_file(tmp_path, "first.png")
        with Image.open(first) as image:
            pixels = np.asarray(image)
        second = tmp_path / "second.png"
        Image.fromarray(np.ascontiguousarray(turn_pixels(pixels, undo(turn)))).save(second)
        splits = ("test", "train") if test_comes_first else ("train", "test")
        copy = copy_of(
            "a/1.png", "a/2.png", turn=turn, first_split=splits[0], second_split=splits[1]
        )
        page = page_of(tmp_path, report_of(copies=(copy,)), {"a/1.png": first, "a/2.png": second})
        left, right = (
            np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(float)
            for data in re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="a/', page)[:2]
        )
        assert np.corrcoef(left.ravel(), right.ravel())[0, 1] > 0.99
        assert text_of(page).index("a/1.png") < text_of(page).index("a/2.png") or not (
            test_comes_first
        )

    def test_a_broken_or_missing_picture_is_a_placeholder(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"\x89PNG\r\n\x1a\n cut")
        copy = copy_of("a/broken.png", "a/gone.png")
        page = page_of(tmp_path, report_of(copies=(copy,)), {"a/broken.png": broken})
        assert 'aria-label="a/broken.png, mirrored' not in page
        assert page.count("no picture</span>") == 3  # with the sample of the set
        assert "could not be shown" in page

    def test_the_page_stays_small_and_says_what_it_leaves_out(
        self, tmp_path: Path, full: Any
    ) -> None:
        report, images = full
        whole = page_of(tmp_path, report, images)
        small = page_of(tmp_path, report, images, picture_bytes=4000)
        embedded = sum(len(uri) for uri in re.findall(r'src="(data:[^"]+)"', small))
        assert embedded < 4000 + max(len(uri) for uri in re.findall(r'src="(data:[^"]+)"', whole))
        assert re.search(r"\d+ pictures left out", small)
        assert "pictures left out" not in whole

    def test_a_storm_of_findings_does_not_swell_it(self, tmp_path: Path) -> None:
        name = "a/" + "x" * 5000
        report = report_of(
            copies=tuple(copy_of(f"{name}{i}", f"{name}{i}b") for i in range(4000)),
            problems=tuple(
                Problem(image=f"{name}{i}", kind=ProblemKind.MISSING, detail="gone")
                for i in range(4000)
            ),
        )
        page = page_of(tmp_path, report)
        assert len(page) < 5_000_000
        assert "2,500 pairs more are not shown here" in text_of(page)


class TestNoHarm:
    def test_names_labels_and_sentences_are_inert(self, tmp_path: Path) -> None:
        copy = copy_of(HOSTILE, HOSTILE, first_label="<b onload=x>", across_classes=True)
        page = page_of(
            tmp_path,
            report_of(
                copies=(copy,),
                verdict=(Sentence(severity=Severity.NOTICE, text="<img src=x onerror=y>"),),
                sets=(summary("</title><script>z</script>"),),
                suspects=(Suspect(image=HOSTILE, label="</td>", suggested="&amp", confidence=1),),
            ),
        )
        tags = _Tags(page)
        assert len(tags.all("script")) == 1
        assert not tags.all("b")
        assert {image.get("src", "")[:5] for image in tags.all("img")} <= {"data:"}
        assert not [a for _, attributes in tags.found for a in attributes if a.startswith("on")]
        assert "&lt;script&gt;document.title" in page

    def test_nothing_points_outside(self, tmp_path: Path, full: Any) -> None:
        page = page_of(tmp_path, *full)
        for _, attributes in _Tags(page).found:
            for name in ("src", "href", "action", "srcset", "data", "poster"):
                assert (attributes.get(name) or "#").startswith(("#", "data:"))
        assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|url\(", page)

    def test_a_policy_forbids_what_the_page_does_not_need(self, tmp_path: Path) -> None:
        policies = [
            str(meta["content"])
            for meta in _Tags(page_of(tmp_path, report_of())).all("meta")
            if meta.get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(policies) == 1
        assert policies[0].startswith("default-src 'none'; img-src data:;")
        assert "unsafe" not in policies[0]

    def test_the_same_findings_give_the_same_page(self, tmp_path: Path, full: Any) -> None:
        assert page_of(tmp_path, *full) == page_of(tmp_path, *full)

    def test_a_folder_in_the_way_is_an_error_in_words(self, tmp_path: Path) -> None:
        (tmp_path / "audit.html").mkdir()
        with pytest.raises(TumorLensError, match="cannot be written"):
            write_page(report_of(), {}, tmp_path / "audit.html")
        assert [path.name for path in tmp_path.iterdir()] == ["audit.html"]


PATIENCE_MS = 60_000
"""A busy machine takes its time to open a page."""


@pytest.fixture
def browser() -> Any:
    """Chromium, where it and Playwright are installed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        yield opened
        opened.close()


class TestInABrowser:
    def test_it_works_without_a_network(self, tmp_path: Path, full: Any, browser: Any) -> None:
        report, images = full
        hostile = report.model_copy(
            update={
                "problems": (
                    *report.problems,
                    Problem(image=HOSTILE, kind=ProblemKind.MISSING, detail="gone"),
                )
            }
        )
        path = tmp_path / "audit.html"
        write_page(hostile, images, path)
        context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())

        _filters_problems(page)
        _sorts_problems(page)
        _filters_pairs(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate("Array.from(document.images).every((i) => i.naturalWidth > 0)")
        assert page.title() == "What the data is worth: a, b"
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        context.close()

    def test_it_is_whole_without_its_script(self, tmp_path: Path, full: Any, browser: Any) -> None:
        path = tmp_path / "audit.html"
        write_page(*full, path)
        context = browser.new_context(offline=True, java_script_enabled=False)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.get_by_label("Filter").count() == 0
        assert page.locator("#problem-table tbody tr").count() == 9
        assert page.locator("#leaks figure").first.is_visible()
        context.close()


def _filters_problems(page: Any) -> None:
    box = page.get_by_label("Filter problem files")
    box.fill("A/3.JPG cut")
    assert page.locator("#problem-table tbody tr:visible").count() == 1
    assert "1 of 10" in page.locator("#problems output").inner_text()
    box.fill("")
    assert page.locator("#problem-table tbody tr:visible").count() == 10


def _sorts_problems(page: Any) -> None:
    """By keyboard alone: the second press turns the order round."""
    button = page.locator("#problem-table").get_by_role("button", name="File")
    for wanted in ("a/0.jpg", HOSTILE):
        button.press("Enter")
        assert page.locator("#problem-table tbody th").first.inner_text() == wanted


def _filters_pairs(page: Any) -> None:
    page.get_by_label("Filter pairs that cross a split").fill("rotated 270")
    visible = page.locator("#leaks figure.pair:visible")
    assert visible.count() == 3
    assert all("270°" in text for text in visible.all_inner_texts())
