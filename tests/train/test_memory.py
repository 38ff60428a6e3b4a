"""If these fail, a long training spends its time on pages that it has just given back."""

import subprocess
import sys

import pytest

from tumorlens.train import memory
from tumorlens.train.memory import keep_freed_memory

STEPS = """
import resource, sys
import torch
from tumorlens.train.memory import keep_freed_memory

if "keep" in sys.argv:
    assert keep_freed_memory()

def step():
    blocks = [torch.zeros(10 * 2**20) for _ in range(4)]

for _ in range(6):  # until the heap has found its size
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments):
    command = [sys.executable, "-c", STEPS, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="only glibc can be asked to keep memory")
def test_steps_that_take_the_same_memory_do_not_ask_the_kernel_for_it_again():
    assert faults("keep") < faults() / 100


@pytest.mark.parametrize("error", [OSError, AttributeError, TypeError])
def test_where_nothing_can_be_asked_for_nothing_happens(monkeypatch, error):
    def refuse(_):
        raise error

    monkeypatch.setattr(memory.ctypes, "CDLL", refuse)
    assert not keep_freed_memory()
