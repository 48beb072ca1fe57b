import pytest

from app.commands.serve import uvicorn_config
from app.serving.settings import ServerSettings
from tests.serving.calls import app_of


@pytest.mark.parametrize(("given", "seconds"), [(0, 0), (0.9, 1), (30, 30)])
def test_a_drain_takes_at_least_the_time_it_was_given(given: float, seconds: int) -> None:
    config = uvicorn_config(app_of(), ServerSettings.parse({"drain_timeout": given}))
    assert config.timeout_graceful_shutdown == seconds
