import os
import signal
from pathlib import Path

import pytest

from app.files import lock_file


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    file = lock_file(tmp_path / "lock")
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"x")
        signal.pause()
        os._exit(0)
    try:
        os.read(ready, 1)
        with pytest.raises(BlockingIOError):
            lock_file(tmp_path / "lock")
        file.close()
        lock_file(tmp_path / "lock").close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)
