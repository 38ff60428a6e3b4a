"""DICOM: what a reader would see, where the slice lies, and nothing of the patient."""

import hashlib
import struct
import zlib

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from tumorlens.errors import ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan import FileFormat, Limits, Source, read

RAMP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def item(**elements):
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return Sequence([dataset])


def one(make, pixels=RAMP, **elements):
    (scan,) = make.scans(make.dicom(pixels, **elements))
    return scan


class TestValues:
    def test_the_window_of_the_file_is_used(self, make):
        # PS3.3 C.11.2.1.2.1: LINEAR shows c - 0.5 - (w - 1) / 2 black and the other end white.
        scan = one(make, WindowCenter=1000, WindowWidth=501)
        expected = np.clip((RAMP - 999.5 + 250) / 500, 0, 1)
        np.testing.assert_allclose(scan.pixels, expected, atol=1e-6)
        assert scan.pixels.dtype == np.float32
        assert scan.pixels.flags.c_contiguous

    def test_linear_exact_differs_by_half_a_value(self, make):
        scan = one(make, WindowCenter=1000, WindowWidth=500, VOILUTFunction="LINEAR_EXACT")
        np.testing.assert_allclose(scan.pixels, np.clip((RAMP - 750.0) / 500, 0, 1), atol=1e-6)

    def test_sigmoid(self, make):
        scan = one(make, WindowCenter=1000, WindowWidth=500, VOILUTFunction="SIGMOID")
        expected = 1 / (1 + np.exp(-4 * (RAMP - 1000.0) / 500))
        np.testing.assert_allclose(scan.pixels, expected, atol=1e-5)

    def test_the_first_of_several_windows_is_used(self, make):
        several = one(make, WindowCenter=[1000, 99], WindowWidth=[501, 9])
        assert np.array_equal(several.pixels, one(make, WindowCenter=1000, WindowWidth=501).pixels)

    @pytest.mark.parametrize("width", [0, -5, ""])
    def test_a_senseless_window_is_not_used(self, make, width):
        scan = one(make, WindowCenter=1000, WindowWidth=width)
        assert np.array_equal(scan.pixels, one(make).pixels)

    def test_a_window_of_width_one_is_a_threshold(self, make):
        scan = one(make, WindowCenter=1000, WindowWidth=1)
        assert np.array_equal(scan.pixels, (RAMP >= 1000).astype(np.float32))

    def test_without_a_window_robust_percentiles_are_shown(self, make):
        pixels = np.zeros((100, 100), np.uint16)
        pixels[20:80, 20:80] = np.linspace(300, 700, 3600).reshape(60, 60)
        pixels[50, 50] = 60000  # one hot pixel must not make the rest black
        scan = one(make, pixels)
        assert scan.pixels[0, 0] == 0.0
        assert scan.pixels[79, 79] == 1.0
        assert scan.pixels[50, 20] == pytest.approx(0.5, abs=0.02)

    def test_rescale_comes_before_the_window(self, make):
        scan = one(make, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=1000, WindowWidth=501)
        expected = np.clip((RAMP * 2.0 - 100 - 749.5) / 500, 0, 1)
        np.testing.assert_allclose(scan.pixels, expected, atol=1e-6)

    def test_monochrome1_is_turned_over(self, make):
        window = {"WindowCenter": 2000, "WindowWidth": 4000}
        inverted = one(make, PhotometricInterpretation="MONOCHROME1", **window)
        np.testing.assert_allclose(inverted.pixels, 1 - one(make, **window).pixels, atol=1e-6)

    def test_signed_values(self, make):
        signed = RAMP.astype(np.int16) - 2048
        scan = one(make, signed, WindowCenter=-500, WindowWidth=501)
        np.testing.assert_allclose(
            scan.pixels, np.clip((signed + 500.5 + 250) / 500, 0, 1), atol=1e-6
        )

    def test_twelve_signed_bits_in_sixteen_lose_what_lies_above_them(self, make):
        stored = (RAMP & 0x0FFF) | 0x7000  # an overlay in the unused bits, as old files have
        scan = one(
            make,
            stored.view(np.int16),
            BitsStored=12,
            HighBit=11,
            WindowCenter=0,
            WindowWidth=4096,
        )
        plain = ((RAMP & 0x0FFF).astype(int) + 2048) % 4096 - 2048
        np.testing.assert_allclose(scan.pixels, np.clip((plain + 2048) / 4095, 0, 1), atol=1e-6)

    def test_eight_bits_without_a_window_are_shown_as_they_are(self, make):
        pixels = make.drawn_bytes(64)
        np.testing.assert_allclose(one(make, pixels).pixels, pixels / np.float32(255), atol=1e-6)

    def test_a_modality_lut(self, make):
        lut = item(
            LUTDescriptor=[4, 0, 16],
            ModalityLUTType="US",
            LUTData=struct.pack("<4H", 0, 3000, 1000, 2000),
        )
        stored = np.array([[0, 1], [2, 3]], np.uint16).repeat(32, 0).repeat(32, 1)
        scan = one(make, stored, ModalityLUTSequence=lut, WindowCenter=1500.5, WindowWidth=3001)
        corners = scan.pixels[[0, 0, 63, 63], [0, 63, 0, 63]]
        np.testing.assert_allclose(corners, [0, 1, 1 / 3, 2 / 3], atol=1e-3)

    def test_a_voi_lut(self, make):
        lut = item(LUTDescriptor=[4, 0, 8], LUTData=struct.pack("<4H", 0, 255, 128, 64))
        stored = np.array([[0, 1], [2, 3]], np.uint16).repeat(32, 0).repeat(32, 1)
        scan = one(make, stored, VOILUTSequence=lut)
        corners = scan.pixels[[0, 0, 63, 63], [0, 63, 0, 63]]
        np.testing.assert_allclose(corners, [0, 1, 128 / 255, 64 / 255], atol=1e-6)

    def test_padding_is_black_and_not_part_of_the_range(self, make):
        pixels = RAMP.astype(np.int16)
        pixels[:8] = 30000
        scan = one(make, pixels, PixelPaddingValue=30000)
        assert scan.pixels[:8].max() == 0.0
        assert scan.pixels[8:].max() == 1.0

    def test_floating_point_pixels(self, make):
        data = make.dicom(
            RAMP,
            PixelData=None,
            FloatPixelData=(RAMP / 4095).astype("<f4").tobytes(),
            BitsAllocated=32,
            WindowCenter=0.5,
            WindowWidth=1,
            VOILUTFunction="LINEAR_EXACT",
        )
        np.testing.assert_allclose(make.scans(data)[0].pixels, RAMP / 4095, atol=1e-6)

    def test_values_that_are_no_numbers_are_refused(self, make, refused):
        values = np.full((64, 64), np.nan, "<f4").tobytes()
        data = make.dicom(RAMP, PixelData=None, FloatPixelData=values, BitsAllocated=32)
        assert "4096 of 4096" in refused(data, UnreadableScan).reason


class TestColour:
    @pytest.mark.parametrize("planar", [0, 1])
    def test_a_grey_picture_in_rgb(self, make, planar):
        grey = make.drawn_bytes(64)
        rgb = np.stack([grey] * 3, axis=-1)
        stored = rgb if planar == 0 else np.moveaxis(rgb, -1, 0).reshape(rgb.shape)
        scan = one(make, stored, SamplesPerPixel=3, PlanarConfiguration=planar, Modality="OT")
        np.testing.assert_allclose(scan.pixels, grey / np.float32(255), atol=1e-6)
        assert scan.colour == 0.0
        assert scan.modality == "OT"

    def test_ybr_is_turned_into_rgb_first(self, make):
        ybr = np.full((64, 64, 3), 128, np.uint8)
        ybr[..., 0] = 90
        scan = one(make, ybr, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL")
        assert scan.pixels.mean() == pytest.approx(90 / 255, abs=0.01)

    def test_colour_is_measured(self, make):
        rgb = np.zeros((64, 64, 3), np.uint8)
        rgb[..., 0] = 255
        assert one(make, rgb, SamplesPerPixel=3).colour == pytest.approx(1.0)

    def test_a_palette(self, make):
        stored = np.array([[0, 1]], np.uint8).repeat(64, 0).repeat(32, 1)
        entries = struct.pack("<2H", 0, 65535)
        palette = {
            f"{colour}PaletteColorLookupTable{part}": value
            for colour in ("Red", "Green", "Blue")
            for part, value in (("Descriptor", [2, 0, 16]), ("Data", entries))
        }
        scan = one(make, stored, PhotometricInterpretation="PALETTE COLOR", **palette)
        assert scan.pixels[:, :32].max() == 0.0
        assert scan.pixels[:, 32:].min() == pytest.approx(1.0, abs=1e-5)


class TestGeometry:
    def test_spacing_is_rows_then_columns(self, make):
        assert one(make, PixelSpacing=[0.5, 0.75]).spacing == (0.5, 0.75)

    @pytest.mark.parametrize("keyword", ["ImagerPixelSpacing", "NominalScannedPixelSpacing"])
    def test_spacing_of_other_devices_is_fallen_back_on(self, make, keyword):
        assert one(make, **{keyword: [0.2, 0.3]}).spacing == (0.2, 0.3)

    def test_pixel_spacing_is_trusted_most(self, make):
        scan = one(make, PixelSpacing=[0.5, 0.5], ImagerPixelSpacing=[0.2, 0.2])
        assert scan.spacing == (0.5, 0.5)

    @pytest.mark.parametrize("spacing", [[0, 0], [-1, 1], "", None])
    def test_an_impossible_spacing_is_unknown_so_that_no_area_is_invented(self, make, spacing):
        elements = {} if spacing is None else {"PixelSpacing": spacing}
        assert one(make, **elements).spacing is None

    def test_position_lies_along_the_normal(self, make):
        axial = one(
            make,
            ImagePositionPatient=[-90, -120, 33.5],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
        sagittal = one(
            make,
            ImagePositionPatient=[12, -100, 80],
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        )
        assert axial.position == pytest.approx(33.5)
        assert sagittal.position == pytest.approx(-12.0)

    @pytest.mark.parametrize("axes", [[0] * 6, [1, 0, 0, 1, 0, 0], [1e300, 0, 0, 0, 1e300, 0]])
    def test_a_broken_orientation_gives_no_position(self, make, axes):
        scan = one(make, ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=axes)
        assert scan.position is None


class TestFrames:
    def test_frames_come_one_by_one(self, make):
        pixels = np.stack([RAMP, RAMP[::-1], RAMP.T])
        scans = make.scans(make.dicom(pixels, WindowCenter=2048, WindowWidth=4096), "m.dcm")
        assert [(scan.frame, scan.frame_count) for scan in scans] == [(0, 3), (1, 3), (2, 3)]
        assert np.array_equal(scans[1].pixels, scans[0].pixels[::-1])
        assert scans[2].name == "m.dcm#3"

    def test_frames_without_a_window_share_one_range(self, make):
        pixels = np.stack([RAMP // 4, RAMP, RAMP // 2])
        dark, bright, _ = make.scans(make.dicom(pixels))
        assert bright.pixels.max() == 1.0
        assert 0.2 < dark.pixels.max() < 0.3

    def test_enhanced_mr_has_values_of_its_own_for_each_frame(self, make):
        pixels = np.stack([RAMP, RAMP])
        shared = item(
            PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
            PixelMeasuresSequence=item(PixelSpacing=[0.4, 0.6]),
        )
        groups = [
            item(
                PlanePositionSequence=item(ImagePositionPatient=[0, 0, place]),
                FrameVOILUTSequence=item(WindowCenter=centre, WindowWidth=501),
                PixelValueTransformationSequence=item(RescaleSlope=slope, RescaleIntercept=0),
            )[0]
            for place, centre, slope in ((5.0, 1000, 1), (2.0, 2000, 2))
        ]
        first, second = make.scans(
            make.dicom(
                pixels,
                SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1",
                SharedFunctionalGroupsSequence=shared,
                PerFrameFunctionalGroupsSequence=Sequence(groups),
            )
        )
        assert (first.position, second.position) == (5.0, 2.0)
        assert first.spacing == second.spacing == (0.4, 0.6)
        np.testing.assert_allclose(first.pixels, np.clip((RAMP - 749.5) / 500, 0, 1), atol=1e-6)
        np.testing.assert_allclose(
            second.pixels, np.clip((RAMP * 2.0 - 1749.5) / 500, 0, 1), atol=1e-6
        )

    def test_more_frames_than_there_are_pixels_for(self, make):
        data = make.dicom(np.stack([RAMP, RAMP]), NumberOfFrames=7)
        reading = read(Source.from_bytes("cut.dcm", data))
        assert [next(reading).frame, next(reading).frame] == [0, 1]
        with pytest.raises(UnreadableScan, match="7 frames, and has pixels for 2"):
            next(reading)

    def test_a_frame_count_from_nowhere_is_refused(self, make, refused):
        refused(make.dicom(RAMP, NumberOfFrames=2_000_000_000), ScanTooLarge)


class TestFiles:
    @pytest.mark.parametrize(
        "syntax",
        [
            ExplicitVRLittleEndian,
            ImplicitVRLittleEndian,
            ExplicitVRBigEndian,
            DeflatedExplicitVRLittleEndian,
        ],
    )
    def test_every_uncompressed_transfer_syntax(self, make, syntax):
        scan = one(make, syntax=syntax, WindowCenter=2048, WindowWidth=4096)
        assert np.array_equal(scan.pixels, one(make, WindowCenter=2048, WindowWidth=4096).pixels)
        assert scan.format is FileFormat.DICOM

    @pytest.mark.parametrize(
        "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
    )
    def test_files_without_a_preamble(self, make, syntax):
        scan = one(make, syntax=syntax, preamble=False, WindowCenter=2048, WindowWidth=4096)
        assert np.array_equal(scan.pixels, one(make, WindowCenter=2048, WindowWidth=4096).pixels)

    def test_a_deflated_dataset_that_inflates_too_far_is_refused(self, make, refused):
        data = make.dicom(np.zeros((512, 512), np.uint16), syntax=DeflatedExplicitVRLittleEndian)
        assert len(data) < 10_000
        refused(data, ScanTooLarge, limits=Limits(max_volume_bytes=100_000))

    def test_nothing_of_the_patient_is_kept(self, make):
        scan = one(make)
        told = repr(scan)
        for secret in ("DOE", "JANE", "SECRET", make.series_uid):
            assert secret not in told
        assert scan.series == hashlib.sha256(make.series_uid.encode()).hexdigest()[:16]
        assert scan.modality == "MR"

    def test_errors_say_nothing_of_the_patient(self, make, refused):
        error = refused(make.dicom(RAMP, Rows=None), UnreadableScan)
        assert "DOE" not in str(error)
        assert "Rows (0028,0010)" in error.reason


class TestRefused:
    @pytest.mark.parametrize(
        ("modality", "words"),
        [
            ("CT", "a CT image (Modality CT)"),
            ("PT", "a PET image"),
            ("US", "an ultrasound"),
            ("MG", "a mammogram"),
            ("CR", "a computed radiograph"),
            ("DX", "a digital radiograph"),
            ("XA", "an angiogram"),
            ("SEG", "a segmentation"),
            ("ZZ", "an object (Modality ZZ)"),
        ],
    )
    def test_other_modalities_are_named(self, make, refused, modality, words):
        error = refused(make.dicom(RAMP, Modality=modality), UnsupportedScan)
        assert words in error.reason
        assert "TumorLens reads MR" in error.reason

    @pytest.mark.parametrize(
        ("uid", "modality", "words"),
        [
            ("1.2.840.10008.5.1.4.1.1.88.11", "SR", "structured report"),
            ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", "structure set"),
            ("1.2.840.10008.5.1.4.1.1.11.1", "PR", "presentation state"),
            ("1.2.840.10008.5.1.4.1.1.104.1", "OT", "Encapsulated PDF Storage"),
            ("1.2.840.10008.5.1.4.1.1.4.2", "MR", "MR Spectroscopy Storage"),
        ],
    )
    def test_objects_without_an_image_say_what_they_are(self, make, refused, uid, modality, words):
        data = make.dicom(None, SOPClassUID=uid, Modality=modality)
        assert words in refused(data, UnsupportedScan).reason

    def test_a_directory_of_files(self, make, refused):
        data = make.dicom(
            None, SOPClassUID="1.2.840.10008.1.3.10", Modality=None, DirectoryRecordSequence=[]
        )
        assert "DICOMDIR" in refused(data, UnsupportedScan).reason

    def test_a_ct_without_a_modality_is_still_a_ct(self, make, refused):
        data = make.dicom(RAMP, SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality=None)
        assert "CT Image Storage" in refused(data, UnsupportedScan).reason

    def test_an_mr_image_without_pixels(self, make, refused):
        assert "without pixels" in refused(make.dicom(None), UnsupportedScan).reason

    @pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated"])
    def test_a_header_that_lacks_what_decoding_needs(self, make, refused, keyword):
        assert keyword in refused(make.dicom(RAMP, **{keyword: None}), UnreadableScan).reason

    def test_a_lying_size_is_refused_before_it_is_believed(self, make, refused):
        refused(make.dicom(RAMP, Rows=65535, Columns=65535), ScanTooLarge)
        assert "cut off" in refused(make.dicom(RAMP, Rows=5000), UnreadableScan).reason

    @pytest.mark.parametrize("samples", [2, 4, 100])
    def test_impossible_samples(self, make, refused, samples):
        data = make.dicom(RAMP, PhotometricInterpretation="RGB")
        tag = struct.pack("<HH2sH", 0x0028, 0x0002, b"US", 2)
        at = data.index(tag) + len(tag)
        refused(data[:at] + struct.pack("<H", samples) + data[at + 2 :], UnsupportedScan)

    @pytest.mark.parametrize("bits", [1, 4, 12, 24])
    def test_odd_depths(self, make, refused, bits):
        refused(make.dicom(RAMP, BitsAllocated=bits), UnsupportedScan)

    @pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.98])
    def test_truncated_files(self, make, refused, share):
        data = make.dicom(RAMP)
        refused(data[: int(len(data) * share)], UnreadableScan)

    def test_a_truncated_deflated_file(self, make, refused):
        noise = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
        data = make.dicom(noise, syntax=DeflatedExplicitVRLittleEndian)
        refused(data[: len(data) // 2], UnreadableScan)

    def test_deeply_nested_sequences_do_not_exhaust_the_stack(self, make):
        data = make.dicom(None, preamble=False, syntax=ImplicitVRLittleEndian)
        nested = struct.pack("<HHI", 0x0008, 0x1140, 0xFFFFFFFF)
        nested += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        with pytest.raises((UnreadableScan, UnsupportedScan)):
            make.scans(data + nested * 5000)

    def test_a_deflate_stream_of_rubbish(self, make, refused):
        data = make.dicom(RAMP, syntax=DeflatedExplicitVRLittleEndian)
        start = data.index(DeflatedExplicitVRLittleEndian.encode()) + 400
        refused(data[:start] + zlib.compress(b"rubbish") * 9, UnreadableScan)
