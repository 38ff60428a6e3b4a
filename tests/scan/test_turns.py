"""If these fail, several threads together take many times the memory that one input may take."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tumorlens.scan.turns import LARGE_PIXELS, decoding_turn


def most_at_once(pixels: int) -> int:
    inside, most = 0, 0
    lock = threading.Lock()

    def decode(_: int) -> None:
        nonlocal inside, most
        with decoding_turn(pixels):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.005)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(decode, range(18)))
    return most


def test_very_large_slices_are_decoded_one_at_a_time():
    assert most_at_once(LARGE_PIXELS + 1) == 1


def test_slices_of_usual_size_never_wait():
    assert most_at_once(512 * 512) > 1


def test_a_turn_ends_with_an_error():
    with pytest.raises(KeyError), decoding_turn(LARGE_PIXELS + 1):
        raise KeyError
    assert most_at_once(LARGE_PIXELS + 1) == 1
