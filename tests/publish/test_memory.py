import subprocess
import sys

from companion.publish.memory import PeakMemory

HOLD = "block = bytearray(200 * 2**20); import time; time.sleep(3)"


def test_peak_counts_descendants():
    with PeakMemory() as alone:
        pass
    with PeakMemory() as together:
        subprocess.run([sys.executable, "-c", HOLD], check=True)
    assert together.bytes > alone.bytes + 200 * 2**20
