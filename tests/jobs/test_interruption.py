import os
import signal

import pytest

from app.process import Interruption


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("second", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_second_signal_stops_at_once_with_its_own_code(
    first: signal.Signals, second: signal.Signals, ends: type[BaseException]
) -> None:
    said: list[str] = []
    with Interruption(said.append) as interruption:
        os.kill(os.getpid(), first)
        assert interruption.exit_code == 128 + first
        with pytest.raises(ends) as stopped:
            os.kill(os.getpid(), second)
    assert len(said) == 1
    if isinstance(stopped.value, SystemExit):
        assert stopped.value.code == 143
