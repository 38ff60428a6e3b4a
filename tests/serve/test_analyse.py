"""If these fail, a scan that is sent gets no answer, the wrong one, or loses the others."""

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.scan.conftest import dicom, drawn_bytes, nifti
from tests.serve.conftest import API, files, png
from tumorlens import analyze_one
from tumorlens.scan import Source


def send(client, *contents, name="scan.png", **query):
    return client.post(f"{API}/findings", files=files(*contents, name=name), params=query)


def lines(response):
    return [json.loads(line) for line in response.text.splitlines()]


def zipped(**members: bytes) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return stream.getvalue()


def test_the_answer_is_the_one_that_every_other_way_in_gives(client, model, lesion):
    told = send(client, lesion).json()["findings"][0]["finding"]
    expected = analyze_one(Source.from_bytes("scan.png", lesion), model=model)
    assert told | {"elapsed_ms": 0} == expected.model_dump(mode="json") | {"elapsed_ms": 0}
    assert told["status"] == "tumor"


def test_everything_that_an_answer_links_to_is_there(client_of, masked_model, lesion):
    with client_of(answering=masked_model) as client:
        links = send(client, lesion).json()["findings"][0]["links"]
        kinds = {name: client.get(link) for name, link in links.items()}
    assert {name for name, got in kinds.items() if got.status_code != 200} == set()
    assert {"slice", "overlay", "heatmap", "mask", "report_pdf"} <= set(links)


def test_one_bad_file_never_loses_the_others(client, lesion):
    body = send(client, lesion, b"this is no picture", png(3)).json()
    assert [one["finding"]["scan"]["sha256"] for one in body["findings"]] == [
        analyze_sha(lesion),
        analyze_sha(png(3)),
    ]
    (error,) = body["errors"]
    assert error["error"] == "UnreadableScan"
    assert "it is text" in error["message"]


def analyze_sha(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "status"), [(b"text", 422), (b"%PDF-1.4 a document", 415), (b"", 422)]
)
def test_what_cannot_be_answered_at_all_is_a_problem_with_its_reason(client, data, status):
    response = send(client, data)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["detail"].startswith("scan.png: ")
    assert problem["errors"][0]["source"] == "scan.png"


def test_a_zip_a_volume_and_a_series_give_every_slice_in_order(client):
    archive = zipped(a__1=png(1), a__2=png(2))
    volume = nifti(np.stack([drawn_bytes(seed=seed) for seed in (1, 2, 3)], axis=-1))
    slices = [
        dicom(drawn_bytes(seed=place), ImagePositionPatient=[0, 0, place],
              ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        for place in (3, 1, 2)
    ]  # fmt: skip
    # The tail of a volume's affine says which plane is coarsest; both are asked for as they are.
    in_zip = send(client, archive, name="a.zip").json()
    sources = [one["finding"]["scan"]["source"] for one in in_zip["findings"]]
    assert (sources, in_zip["studies"]) == (["a.zip::a/1", "a.zip::a/2"], [])
    in_volume = send(client, volume, name="v.nii", plane="axial").json()
    frames = [one["finding"]["scan"]["frame"] for one in in_volume["findings"]]
    assert frames == list(range(len(frames)))
    assert [sum(one["slices"].values()) for one in in_volume["studies"]] == [len(frames)]
    in_series = send(client, *slices, name="s.dcm").json()
    places = [one["finding"]["scan"]["position_mm"] for one in in_series["findings"]]
    assert places == [1, 2, 3]
    (study,) = in_series["studies"]
    assert study["source"] == in_series["findings"][0]["finding"]["scan"]["source"]
    assert study["status"] in {one["finding"]["status"] for one in in_series["findings"]}


def test_a_stream_tells_the_answer_for_a_series_after_its_last_slice(client):
    volumes = [
        nifti(np.stack([drawn_bytes(seed=seed) for seed in seeds], axis=-1))
        for seeds in ((1, 2, 3), (4, 5, 6))
    ]
    sent = [
        ("files", (name, data))
        for name, data in (("a.nii", volumes[0]), ("b.nii", volumes[1]), ("c.png", png(7)))
    ]
    told = lines(client.post(f"{API}/findings/stream", files=sent, params={"plane": "axial"}))
    ends = [place for place, one in enumerate(told) if one["record"] == "study"]
    assert [told[place]["source"] for place in ends] == ["a.nii", "b.nii"]
    assert [told[place - 1]["finding"]["scan"]["source"] for place in ends] == ["a.nii", "b.nii"]
    assert told[-1]["findings"] == sum(one["record"] == "finding" for one in told)


def test_a_stream_tells_each_file_in_its_order_and_says_that_it_is_whole(client, lesion):
    response = client.post(
        f"{API}/findings/stream", files=files(*(png(seed) for seed in range(9)), b"no", lesion)
    )
    told = lines(response)
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert [one["record"] for one in told] == [*["finding"] * 9, "error", "finding", "summary"]
    hashes = [one["finding"]["scan"]["sha256"] for one in told if one["record"] == "finding"]
    assert hashes == [analyze_sha(png(seed)) for seed in range(9)] + [analyze_sha(lesion)]
    assert (told[-1]["findings"], told[-1]["errors"]) == (10, 1)


@pytest.mark.parametrize("history", [False, True])
def test_the_same_file_is_the_same_finding(client_of, lesion, history):
    with client_of(history=history) as client:
        first = send(client, lesion, name="a.png").json()["findings"][0]
        again = send(client, lesion, lesion, name="b.png").json()["findings"]
        assert (first["repeated"], {one["repeated"] for one in again}) == (False, {True})
        assert {one["id"] for one in again} == {first["id"]}
        # Each is told under the name that it was sent with.
        assert {one["finding"]["scan"]["source"] for one in again} == {"b.png"}
        assert client.get(f"{API}/findings").json()["total"] == (1 if history else 0)


def test_nothing_that_identifies_a_patient_comes_out_or_is_kept(client_of, tmp_path):
    with client_of(history=True) as client:
        data = dicom(drawn_bytes(), PatientBirthDate="19700101", AccessionNumber="ACC-99")
        body = send(client, data, name="s.dcm")
        finding = body.json()["findings"][0]
        told = [body.content]
        told += [client.get(link).content for link in finding["links"].values()]
        told.append(client.get(f"{API}/findings").content)
    told += [path.read_bytes() for path in (tmp_path / "data").iterdir()]
    for secret in (b"DOE^JANE", b"SECRET-7", b"19700101", b"ACC-99", b"1.2.826.0"):
        assert not any(secret in one for one in told)


def test_without_a_history_nothing_is_kept_anywhere(client_of, tmp_path, lesion):
    with client_of() as client:
        finding_id = send(client, lesion).json()["findings"][0]["id"]
        assert client.get(f"{API}/findings/{finding_id}").status_code == 200
        assert client.get(f"{API}/findings").json() == {
            "history": False, "total": 0, "offset": 0, "items": []
        }  # fmt: skip
        assert client.delete(f"{API}/findings/{finding_id}").status_code == 204
        assert client.get(f"{API}/findings/{finding_id}").status_code == 404
    assert list(tmp_path.iterdir()) == []


def test_pictures_lie_on_the_slice(client_of, masked_model):
    with client_of(answering=masked_model) as client:
        (one,) = send(client, png(size=160)).json()["findings"]
        address = one["links"]["self"]
        sizes = {
            name: Image.open(BytesIO(client.get(f"{address}/{name}.png").content))
            for name in ("slice", "heatmap", "overlay", "mask", "thumbnail")
        }
        assert {name: picture.size for name, picture in sizes.items()} == {
            "slice": (160, 160), "heatmap": (160, 160), "overlay": (160, 160),
            "mask": (160, 160), "thumbnail": (128, 128),
        }  # fmt: skip
        marked = np.asarray(sizes["mask"])
        assert marked.any()
        assert (marked > 0).sum() == one["finding"]["measurements"]["area_pixels"]
        # Where there is evidence the overlay differs from the slice, and nowhere else.
        clear = np.asarray(sizes["heatmap"])[..., 3] == 0
        overlay, grey = np.asarray(sizes["overlay"]), np.asarray(sizes["slice"])
        assert (overlay[clear] == grey[clear][:, None]).all()
        assert not (overlay[~clear] == grey[~clear][:, None]).all()


def test_pictures_of_the_history_show_the_same_after_a_restart(client_of, masked_model):
    with client_of(answering=masked_model, history=True) as client:
        (one,) = send(client, png(size=160)).json()["findings"]
        names = ("slice", "overlay", "heatmap", "mask")
        links = {name: one["links"][name] for name in names}
        before = {name: client.get(link).content for name, link in links.items()}
    with client_of(answering=masked_model, history=True) as client:
        after = {name: client.get(link).content for name, link in links.items()}
        assert client.get(one["links"]["self"]).json()["finding"] == one["finding"]
    assert before["slice"] == after["slice"]  # smaller than a thumbnail
    for name in ("overlay", "heatmap", "mask"):
        then, now = (np.asarray(Image.open(BytesIO(p[name])), float) for p in (before, after))
        assert np.abs(then - now).mean() < 1


def test_a_model_without_masks_says_why_there_is_none(client, lesion):
    (one,) = send(client, lesion).json()["findings"]
    assert "mask" not in one["links"]
    response = client.get(f"{one['links']['self']}/mask.png")
    assert response.status_code == 404
    assert "gives no mask" in response.json()["detail"]


def test_the_models_name_the_one_that_answers(client, model):
    first = client.get(f"{API}/models").json()["items"][0]
    assert (first["name"], first["sha256"], first["answers"]) == ("tiny", model.sha256, True)
