import subprocess
import sys

from app.settings import ROOT

FILL = """
import resource, signal
from app.jobs.journal import KeyIndex
from app.errors import InputError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
index = KeyIndex()
try:
    for number in range(10**6):
        index.add(number.to_bytes(16, "big"), number)
except InputError as error:
    print(error)
"""


def test_a_full_temporary_folder_is_one_line() -> None:
    result = subprocess.run(
        [sys.executable, "-c", FILL], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    (said,) = result.stdout.splitlines()
    assert said.startswith("cannot use the temporary folder: ")
    assert "set SQLITE_TMPDIR to a folder with room" in said
