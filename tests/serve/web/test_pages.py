"""If these fail, a page shows something else than the answer, or somebody else's words."""

import csv
import io
import json
import re
import zipfile

import numpy as np
import pytest

from tests.conftest import tiny_metadata
from tests.serve.conftest import API, files, png
from tumorlens.data.index import index
from tumorlens.decide.finding import Measurements, Status
from tumorlens.explain.colour import colour_table
from tumorlens.model.registry import load_model
from tumorlens.serve.records import Feedback, Verdict
from tumorlens.serve.web.language import ENGLISH, LANGUAGES, translations
from tumorlens.serve.web.pages import STATIC
from tumorlens.serve.web.reviewed import label_of
from tumorlens.serve.web.routes import local_path
from tumorlens.serve.web.words import Words

GERMAN = next(one for one in LANGUAGES if one.code == "de")
HOSTILE = "<img src=x onerror=alert(1)>'\".png"


def send(client, *contents, name="scan.png"):
    return client.post(f"{API}/findings", files=files(*contents, name=name)).json()["findings"]


def say(client, finding_id, **said):
    response = client.put(f"{API}/findings/{finding_id}/feedback", json=said)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", ["/", "/history", "/about"])
@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_every_page_has_the_notice_and_says_its_language(client, path, language):
    page = client.get(path, headers={"Accept-Language": language})
    assert page.status_code == 200
    assert page.headers["content-language"].startswith(language)
    notice = {"en": "Not a medical device", "de": "Kein Medizinprodukt", "zh": "不是医疗器械"}
    assert notice[language] in page.text
    assert 'style="' not in page.text, "the content security policy would drop it"


def test_a_chosen_language_stays_and_leads_back(client):
    client.headers["Accept-Language"] = "en"
    answer = client.get("/language/fr?back=/about", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/about")
    assert "Ce qui a été mesuré" in client.get("/about").text


@pytest.mark.parametrize(
    ("path", "led"),
    [
        ("/history?name=a", "/history?name=a"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example", "/"),
        ("/a\r\nSet-Cookie: b=c", "/"),
    ],
)
def test_a_link_cannot_lead_to_another_site(path, led):
    assert local_path(path) == led


def test_a_series_is_answered_as_a_whole_in_the_language_of_the_reader(client):
    slices = [one["finding"] for one in send(client, png(1), png(2), png(3))]
    kinds = {one["status"] for one in slices}
    german = {"Accept-Language": "de"}
    page = client.post("/study", json=slices, headers=german)
    assert page.status_code == 200
    assert "Die ganze Serie, 3 Schichten" in page.text
    assert {kind for kind in kinds if f"status {kind}" in page.text} == kinds
    odd = [one | {"status": "tumor", "label": "x", "probabilities": {}} for one in slices]
    assert client.post("/study", json=odd).status_code == 200
    for body in ([], [slices[0] | {"status": "normal"}], {"a": 1}):
        assert client.post("/study", json=body).status_code == 422


def test_names_of_files_are_text_and_nothing_else(keeping, lesion):
    (one,) = send(keeping, lesion, name=HOSTILE)
    assert one["finding"]["scan"]["source"].startswith("<img")
    for path in ("/history", f"/findings/{one['id']}", f"/findings/{one['id']}/answer"):
        text = keeping.get(path).text
        assert "&lt;img src=x" in text
        assert "<img src=x" not in text


def test_the_words_come_before_the_picture_and_the_details_after_it(keeping, lesion):
    (one,) = send(keeping, lesion)
    text = keeping.get(f"/findings/{one['id']}").text
    places = [text.index(mark) for mark in ("Tumor found", "data-stage", "report.pdf")]
    assert places == sorted(places)


def test_an_answer_is_not_told_to_who_may_not_see_it_and_gone_ones_are_said_to_be(client):
    for path in (f"/findings/{'0' * 32}", "/findings/nonsense", f"/compare?id={'0' * 32}"):
        page = client.get(path)
        assert page.status_code == 404
        assert "This finding is not here" in page.text


def test_who_asks_what_the_model_can_do_is_told_whether_it_marks(client_of, masked_model, client):
    assert "no, it colors its evidence alone" in client.get("/about").text
    with client_of(answering=masked_model) as other:
        assert "yes, with area and diameters" in other.get("/about").text


def test_a_model_without_figures_shows_no_empty_table(client_of, tiny_model, tmp_path):
    saved = tiny_model(metadata=tiny_metadata(metrics=())).save(tmp_path / "bare.onnx")
    with client_of(answering=load_model(saved, threads=1)) as client:
        page = client.get("/about").text
    assert "holds no figures" in page
    assert "<table" not in page


def test_a_browser_is_told_of_a_problem_on_a_page_and_a_program_in_json(client):
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "de"}
    page = client.get("/nowhere", headers=html)
    assert (page.status_code, page.headers["content-language"]) == (404, "de")
    assert "Unter dieser Adresse ist nichts" in page.text
    assert page.headers["x-request-id"] in page.text
    refused = client.post("/table.csv", content=b"[", headers=html)
    assert (refused.status_code, "Das wurde abgelehnt" in refused.text) == (422, True)
    elsewhere = client.get("/", headers=html | {"Host": "evil.example"})
    assert (elsewhere.status_code, "allowed_hosts" in elsewhere.text) == (421, True)
    for path, accept in (("/nowhere", "*/*"), (f"{API}/nowhere", html["Accept"])):
        problem = client.get(path, headers={"Accept": accept})
        assert problem.headers["content-type"] == "application/problem+json"


def test_without_a_history_the_page_says_how_long_pictures_stay(client):
    assert "forgotten after 15 minutes" in client.get("/").text
    assert "keeps no history" in client.get("/history").text


def test_the_history_is_searched_and_parted_into_pages(keeping):
    send(keeping, *(png(seed) for seed in range(3)), name="left.png")
    send(keeping, *(png(seed) for seed in range(3, 5)), name="right.png")
    assert "3 findings" in keeping.get("/history?name=LEF").text
    assert keeping.get("/history?offset=4").text.count("thumbnail.png") == 1
    assert "Nothing fits" in keeping.get("/history?name=%25").text
    # Whatever else stands in an address is as if it were not there.
    odd = keeping.get("/history?status=normal&sort=;drop&reviewed=maybe&offset=-1&label=%00")
    assert (odd.status_code, "5 findings" in odd.text) == (200, True)


def test_the_color_scale_is_that_of_the_evidence():
    stops = re.findall(r'stop-color="#(\w{6})"', (STATIC / "evidence.svg").read_text())
    table = np.rint(255 * colour_table()).astype(int)
    places = np.linspace(0, len(table) - 1, len(stops)).round().astype(int)
    assert stops == ["{:02x}{:02x}{:02x}".format(*table[place]) for place in places]


class TestReviewedSet:
    """If these fail, what readers know is lost to training, or learnt wrongly."""

    def test_tumorlens_data_reads_it(self, keeping, tmp_path):
        found = send(keeping, *(png(seed) for seed in range(4)))
        say(keeping, found[0]["id"], verdict="agree")
        say(keeping, found[1]["id"], verdict="other_label", label="glioma", comment="=1+1")
        say(keeping, found[2]["id"], verdict="disagree")
        assert "Reviewed set (3)" in keeping.get("/history").text
        data = keeping.get("/export/reviewed.zip").content
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(tmp_path)
        labels = [one.label for one in index(tmp_path / "reviewed")]
        assert sorted(labels) == sorted([found[0]["finding"]["label"], "glioma"])
        with (tmp_path / "reviewed" / "index.csv").open(newline="") as file:
            rows = {row["label"]: row for row in csv.DictReader(file)}
        assert rows["glioma"]["comment"] == "'=1+1", "a spreadsheet would run it"
        assert {row["patient"] for row in rows.values()} == {""}

    @pytest.mark.parametrize(
        ("status", "label", "verdict", "said", "expected"),
        [
            (Status.TUMOR, "glioma", Verdict.AGREE, None, "glioma"),
            (Status.TUMOR, None, Verdict.AGREE, None, "tumor"),
            (Status.NO_TUMOR, None, Verdict.AGREE, None, "no_tumor"),
            (Status.UNCERTAIN, None, Verdict.AGREE, None, None),
            (Status.REJECTED, None, Verdict.AGREE, None, None),
            (Status.TUMOR, "glioma", Verdict.DISAGREE, None, None),
            (Status.UNCERTAIN, None, Verdict.OTHER_LABEL, "tumor", "tumor"),
        ],
    )
    def test_a_label_is_only_what_a_reader_has_said(self, status, label, verdict, said, expected):
        from datetime import UTC, datetime

        word = Feedback(
            finding_id="", reader="", verdict=verdict, label=said, comment="",
            created=datetime.now(UTC),
        )  # fmt: skip
        assert label_of(status, label, word) == expected


class TestTable:
    def test_it_is_what_the_command_line_writes(self, client, lesion):
        told = client.post(f"{API}/findings/stream", files=files(lesion, b"no picture")).text
        lines = [json.loads(line) for line in told.splitlines()]
        body = [one.get("finding", one) for one in lines[:2]]
        table = list(csv.DictReader(io.StringIO(client.post("/table.csv", json=body).text)))
        assert [row["status"] for row in table] == ["tumor", ""]
        assert table[1]["error"] == "UnreadableScan"

    def test_anything_else_is_refused(self, client):
        for body in (b"", b"[", b'[{"record": "finding"}]', b"{}", b"[1]"):
            answer = client.post("/table.csv", content=body)
            assert answer.status_code == 422
            assert "send a JSON list" in answer.json()["detail"]


class TestWords:
    """If these fail, an answer is said more surely than it is."""

    def finding(self, client, status):
        (one,) = send(client, png())
        kept = client.app.state.service.keeper.recent.get(one["id"])
        return kept.finding.model_copy(update={"status": status, "label": None})

    @pytest.mark.parametrize("status", list(Status))
    def test_no_answer_is_called_normal_or_certain(self, client, status):
        words = Words(ENGLISH, translations(ENGLISH))
        finding = self.finding(client, status).model_copy(update={"tumor_probability": 1.0})
        said = f"{words.headline(finding)} {words.meaning(finding)} {words.share(1.0)}"
        assert "normal" not in said.lower()
        assert "100 %" not in said
        assert "> 99.9 %" in said

    def test_a_rejected_picture_has_no_probability(self, client):
        words = Words(ENGLISH, translations(ENGLISH))
        assert words.meaning(self.finding(client, Status.REJECTED)) == ""

    def test_a_tumor_without_a_mark_is_said_to_have_no_place(self, client):
        words = Words(ENGLISH, translations(ENGLISH))
        nothing = {"measurements": Measurements(area_pixels=0)}
        tumor, none = (
            words.size(self.finding(client, status).model_copy(update=nothing))
            for status in (Status.TUMOR, Status.NO_TUMOR)
        )
        assert tumor == ["The model cannot say where: no pixel is sure enough to be marked"]
        assert none == ["Nothing is marked"]

    def test_numbers_are_written_as_the_language_writes_them(self):
        assert Words(GERMAN, translations(GERMAN)).share(0.423) == "42,3 %"

    def test_kinds_are_translated_and_unknown_ones_stay(self):
        words, display = Words(GERMAN, translations(GERMAN)), tiny_metadata().display
        assert words.kind("pituitary", display) == "Hypophysentumor"
        assert words.kind("schwannoma", display) == "schwannoma"
