"""If these fail, someone at the page loses an answer, cannot read it, or cannot use the page."""

import csv
import re
import zipfile
from io import BytesIO

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pypdfium2 import PdfDocument

from tests.scan.conftest import dicom, drawn_bytes
from tests.serve.conftest import png

expect.set_options(timeout=30_000)
SPACING = 0.5
SERIOUS = ("serious", "critical")


def series(count=4, number_of_series="1.2.3.4"):
    """DICOM slices of one series, in another order than that of their places."""
    return [
        (
            f"IM{number}.dcm",
            dicom(
                drawn_bytes(seed=number),
                SeriesInstanceUID=number_of_series,
                PixelSpacing=[SPACING, SPACING],
                ImagePositionPatient=[0, 0, count - number],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ),
        )
        for number in range(count)
    ]


def drawn(page, pane="main"):
    """Whether the viewer's canvas shows anything but black."""
    return page.evaluate(
        """(pane) => {
          const canvas = document.querySelector(`[data-pane="${pane}"] canvas`);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return data.some((value, place) => place % 4 < 3 && value > 60);
        }""",
        pane,
    )


def test_one_scan_is_answered_in_words_first_then_shown(visit):
    with visit() as seen:
        seen.open()
        seen.send(("scan.png", png()))
        expect(seen.verdict).to_have_text("Tumor found: meningioma")
        expect(seen.page.locator(".share")).to_contain_text(re.compile(r"\d+\.\d %"))
        # What is marked is measured in words, and can be outlined in the picture.
        expect(seen.page.locator(".size").first).to_have_text(re.compile(r"Marked.*\d+ pixels"))
        seen.shown()
        expect(seen.page.get_by_label("Outline")).to_be_checked()
        assert drawn(seen.page)
        expect(seen.page.locator(".notice")).to_be_in_viewport()
        controls, notice = (
            seen.page.locator(one).bounding_box() for one in (".viewer .lower", ".notice")
        )
        assert controls["y"] + controls["height"] <= notice["y"], "controls lie under the notice"
        assert "normal" not in seen.page.content().lower().replace("font-weight: normal", "")


def test_many_files_keep_their_answers_and_a_bad_one_says_why(visit):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", png(5))
        archive.writestr("b.png", b"broken")
    with visit() as seen:
        seen.open()
        seen.send(
            ("one.png", png(3)), ('two "2".png', png(4)), ("bad.png", b"hello"),
            ("three.zip", packed.getvalue()),
        )  # fmt: skip
        names = seen.page.locator("[data-list] .result .name")
        expect(names).to_have_text(["one.png", "three.zip::a.png", "two '2'.png"])
        failed = seen.page.locator("[data-list] .failed")
        expect(failed.first).to_contain_text("it is text, not an image")
        expect(failed.last).to_contain_text("b.png")
        seen.page.get_by_role("button", name="Table").click()
        with seen.page.expect_download() as got:
            seen.page.get_by_role("button", name="CSV").click()
        with got.value.path().open(newline="") as file:
            lines = list(csv.DictReader(file))
        answered = [line["input"] for line in lines if line["status"]]
        assert sorted(answered) == ["one.png", "three.zip::a.png", "two '2'.png"]
        assert sum(bool(line["error"]) for line in lines) == 2


def test_a_series_is_one_stack_in_the_order_of_its_places_and_measured_in_mm(visit):
    with visit() as seen:
        seen.open()
        seen.send(*series())
        page = seen.page
        expect(page.locator("[data-list] .result")).to_have_count(1)
        whole = page.locator("[data-whole]")
        expect(whole.locator(".file")).to_have_text("The whole series, 4 slices")
        counts = whole.locator(".counts li").all_inner_texts()
        assert sum(int(one.split(": ")[1]) for one in counts) == 4
        seen.shown()
        stage, place = page.locator("[data-stage]"), page.locator("[data-place]")
        stage.focus()
        stage.press("Home")
        expect(place).to_have_text("1 / 4")
        # The first slice is the one that lies lowest, whatever its file is called.
        expect(page.locator("[data-words] .file")).to_have_text("IM3.dcm")
        stage.press("PageDown")
        expect(page.locator("[data-words] .file")).to_have_text("IM2.dcm")
        expect(place).to_have_text("2 / 4")
        for key in ("m", "Enter", *["Shift+ArrowRight"] * 3, "Enter"):
            stage.press(key)
        expect(page.locator("[data-say]")).to_have_text(f"{30 * SPACING:.1f} mm")
        stage.press("Backspace")
        stage.press("Escape")
        # Once the longest words were there, the picture stays where it is.
        places = []
        for key, name in (("End", "IM0.dcm"), ("Home", "IM3.dcm"), ("End", "IM0.dcm")):
            stage.press(key)
            expect(page.locator("[data-words] .file")).to_have_text(name)
            places.append(stage.bounding_box()["y"])
        assert places[1] == places[2]


def test_a_long_series_is_whole_on_the_page_of_each_of_its_findings(visit):
    """It is sent in several requests, and is one series for all that."""
    count = 26
    with visit() as seen:
        seen.open()
        seen.send(*series(count, "1.2.3.5"))
        expect(seen.page.locator("[data-place]")).to_have_text(re.compile(f"/ {count}$"))
        seen.page.get_by_role("link", name="Page of this finding").click()
        expect(seen.page.locator("[data-place]")).to_have_text(re.compile(f"/ {count}$"))
        whole = seen.page.locator("[data-whole] .file")
        expect(whole).to_have_text(f"The whole series, {count} slices")


def test_files_can_be_dropped_and_pasted(visit):
    with visit() as seen:
        seen.open()
        seen.page.locator("[data-drop]").wait_for()
        for event, name in (("drop", "dropped.png"), ("paste", "pasted.png")):
            seen.page.evaluate(
                """([event, name, bytes]) => {
                  const transfer = new DataTransfer();
                  transfer.items.add(new File([new Uint8Array(bytes)], name));
                  document.body.dispatchEvent(event === "drop"
                    ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true })
                    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
                }""",
                [event, name, list(png(6 if event == "drop" else 7))],
            )
            row = seen.page.locator("[data-list] .result").filter(has_text=name)
            expect(row).to_be_visible()


def test_everything_can_be_done_with_the_keyboard(visit):
    with visit() as seen:
        page = seen.page
        # From the start, so that a busy machine does not open the dialog before it is watched for.
        page.on("filechooser", lambda chooser: None)
        seen.open()
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to the content")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Choose files")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files([{"name": "keys.png", "mimeType": "image/png", "buffer": png(8)}])
        seen.shown()
        stage = page.locator("[data-stage]")
        for _ in range(40):
            page.keyboard.press("Tab")
            if stage.evaluate("(one) => one === document.activeElement"):
                break
        expect(stage).to_be_focused()
        for key in ("+", "ArrowRight", "[", "{", "i", "o", "l", "s"):
            page.keyboard.press(key)
        expect(page.locator("[data-zoom]")).to_have_text("125 %")
        expect(page.locator('[data-show="invert"]')).to_be_checked()
        expect(page.locator('[data-show="overlay"]')).not_to_be_checked()
        assert drawn(page, "plain"), "the original stands beside it"
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(stage).to_be_focused()


def test_a_reading_is_kept_found_again_compared_and_printed(visit):
    with visit() as seen:
        seen.open()
        page = seen.page
        seen.send(("mine-a.png", png(9)), ("mine-b.png", png(10)))
        page.locator("[data-feedback]").wait_for()
        page.get_by_label("What it shows").select_option("glioma")
        page.get_by_label("Comment").fill("<b>see slice 12</b>")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("[data-feedback] [role=status]")).to_have_text("Saved.")
        seen.open("/history?name=mine-&reviewed=yes")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("Says: glioma")
        page.get_by_label("Reading").select_option("")
        page.get_by_role("button", name="Search").click()
        expect(rows).to_have_count(2)
        compare = page.get_by_role("button", name="Compare two")
        expect(compare).to_be_disabled()
        for box in page.locator("[name=id]").all():
            box.check()
        with page.expect_download() as got:
            page.get_by_role("button", name="PDF of the chosen").click()
        document = PdfDocument(got.value.path().read_bytes())
        text = document[0].get_textpage().get_text_bounded()
        assert len(document) == 2
        assert "Not a medical device" in " ".join(text.split())
        document.close()
        compare.click()
        expect(page.locator(".verdict")).to_have_count(2)
        expect(page.locator("[data-viewer][data-shown]")).to_have_count(2)
        page.locator("[data-stage]").first.press("+")
        expect(page.locator("[data-zoom]")).to_have_text(["125 %", "125 %"])


def test_when_the_service_cannot_be_reached_the_file_can_be_sent_again(visit):
    with visit() as seen:
        seen.open()
        seen.is_cut = True
        seen.send(("later.png", png(11)))
        expect(seen.page.locator(".failed")).to_contain_text("The service cannot be reached.")
        seen.is_cut = False
        seen.page.get_by_role("button", name="Send again").click()
        expect(seen.verdict).to_contain_text("Tumor found")
        assert seen.messages, "the browser itself says that a request failed"
        seen.messages.clear()


def test_another_language_is_spoken_everywhere(visit):
    with visit(locale="en-US") as seen:
        seen.open("/about")
        seen.page.locator(".menu summary").click()
        seen.page.get_by_role("link", name="Deutsch").click()
        expect(seen.page.locator("h1")).to_have_text("Über das Modell")
        seen.open()
        seen.send(("scan.png", png()))
        expect(seen.verdict).to_have_text("Tumor gefunden: Meningeom")
        expect(seen.page.locator("[data-list] .status")).to_have_text("Tumor gefunden")
        expect(seen.page.locator("[data-list] .small")).to_contain_text(re.compile(r"\d,\d %"))


def test_files_chosen_before_the_scripts_came_are_not_lost(visit):
    with visit(locale="de-DE") as seen:
        held = []

        def hold(route):
            held.append(route)

        seen.page.route("**/messages/**", hold)
        with seen.page.expect_request("**/messages/**"):
            seen.page.goto(seen.address, wait_until="commit")
        seen.choose(("scan.png", png()))
        held[0].continue_()
        expect(seen.verdict).to_have_text("Tumor gefunden: Meningeom")


def test_nobody_is_shut_out_at_a_desk(visit):
    """axe-core finds nothing serious (WCAG 2.2 AA), and nothing has to be scrolled sideways."""
    with visit(color_scheme="light") as seen:
        seen.open()
        seen.send(("scan.png", png()), ("bad.txt", b"hello"), *series(3))
        seen.shown()
        told = check(seen, "answers")
        seen.open("/history")
        told += check(seen, "history")
        seen.open(compared(seen))
        seen.shown()
        assert told + check(seen, "comparison") == []


def test_nobody_is_shut_out_on_a_phone_in_the_dark(visit):
    with visit(width=360, height=740, color_scheme="dark") as seen:
        seen.open("/about")
        told = check(seen, "about")
        seen.open()
        seen.send(("scan.png", png()))
        seen.shown()
        told += check(seen, "answer")
        seen.page.get_by_role("button", name="Table").click()
        expect(seen.page.locator("[data-rows] tr")).to_be_in_viewport()
        told += check(seen, "table")
        seen.page.get_by_role("button", name="Back to the pictures").click()
        seen.page.get_by_role("link", name="Page of this finding").click()
        seen.shown()
        seen.page.get_by_role("button", name="Keys").click()
        assert told + check(seen, "finding, with the keys") == []


def compared(seen):
    """The address of a comparison of the first two findings of the history."""
    first, second = (box.get_attribute("value") for box in seen.page.locator("[name=id]").all()[:2])
    return f"/compare?id={first}&id={second}"


def check(seen, place):
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = Axe().run(seen.page, options=rules).response["violations"]
    told = [
        f"{place}: {one['id']} {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}"
        for one in found
        if one["impact"] in SERIOUS
    ]
    width = seen.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*told, *([f"{place}: {width} pixels too wide"] if width > 0 else [])]
