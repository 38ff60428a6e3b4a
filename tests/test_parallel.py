"""If these fail, answers come in the wrong order, memory grows with the inputs, or a run hangs."""

from __future__ import annotations

import threading
import time
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorlens.parallel import WAITING_A_WORKER, Stream, in_order

streams_of_items = st.lists(
    st.tuples(st.lists(st.integers(0, 5), max_size=6), st.booleans()), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(streams_of_items, st.integers(1, 5), st.randoms(), st.integers(0, 6))
def test_results_come_in_the_order_of_their_items(inputs, workers, random, large):
    pauses = [random.choice((0, 0, 0.001)) for _ in range(60)]

    def items(numbers):
        for number in numbers:
            time.sleep(random.choice(pauses))
            yield number

    def work(number):
        time.sleep(random.choice(pauses))
        return number * 10

    streams = (Stream(items(numbers), is_heavy=heavy) for numbers, heavy in inputs)
    expected = [number * 10 for numbers, _ in inputs for number in numbers]
    results = in_order(streams, work, workers=workers, is_large=lambda number: number >= large)
    assert list(results) == expected


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_few_items_are_held_however_many_there_are(workers):
    made = 0

    def items(size):
        nonlocal made
        for number in range(size):
            made += 1
            yield number

    streams = (Stream(items(5)) for _ in range(10**9))
    results = in_order(streams, str, workers=workers)
    for emitted, _ in enumerate(islice(results, 300), 1):
        assert made - emitted <= workers * WAITING_A_WORKER + workers
    results.close()


def test_a_slow_first_input_does_not_block_for_ever():
    def slow():
        for number in range(30):
            time.sleep(0.002)
            yield number

    streams = [Stream(slow()), *(Stream(iter([number])) for number in range(100, 200))]
    assert list(in_order(streams, lambda x: x, workers=3)) == [*range(30), *range(100, 200)]


def test_slices_of_one_input_are_worked_on_at_the_same_time():
    both = threading.Barrier(2, timeout=10)

    def work(number):
        both.wait()  # passes only when two threads are here at once
        return number

    assert list(in_order([Stream(iter(range(6)))], work, workers=2)) == list(range(6))


def test_heavy_inputs_are_never_open_together():
    open_now, together = 0, []
    lock = threading.Lock()

    def heavy():
        nonlocal open_now
        with lock:
            open_now += 1
            together.append(open_now)
        for number in range(3):
            time.sleep(0.001)
            yield number
        with lock:
            open_now -= 1

    streams = (Stream(heavy(), is_heavy=True) for _ in range(6))
    assert len(list(in_order(streams, str, workers=4))) == 18
    assert max(together) == 1


def test_nothing_is_made_while_a_large_item_waits():
    made, given_out = [], []

    def items(numbers):
        for number in numbers:
            made.append(number)
            yield number

    streams = (Stream(items([index])) for index in range(1000))
    results = in_order(streams, lambda x: x, workers=3, is_large=lambda number: number >= 50)
    for number in results:
        given_out.append(number)
        if number > 60:  # none but the one for each thread that was in hand at the change
            time.sleep(0.001)
            assert len(made) - len(given_out) <= 1
        if number == 80:
            break
    results.close()
    assert given_out == list(range(81))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("place", ["streams", "items", "work"])
def test_an_exception_reaches_the_caller(workers, place):
    def broken(name):
        if place == name:
            raise KeyError(name)

    def items():
        yield 1
        broken("items")

    def streams():
        yield Stream(items())
        broken("streams")

    def work(number):
        broken("work")
        return number

    before = threading.active_count()
    with pytest.raises(KeyError, match=place):
        list(in_order(streams(), work, workers=workers))
    assert threading.active_count() == before


def test_a_caller_that_stops_early_leaves_no_threads():
    before = threading.active_count()
    results = in_order((Stream(iter([n])) for n in range(10**9)), str, workers=3)
    assert next(results) == "0"
    results.close()
    assert threading.active_count() == before


def test_nothing_in_nothing_out():
    assert list(in_order([], str, workers=2)) == []
