import gc

import pytest

from app.serve.app import create_service
from app.serve.server_settings import ServerSettings
from app.settings import load_settings
from tests.serve.calls import service_of
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


def test_what_is_loaded_is_kept_out_of_garbage_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = service_of(ScriptedAsyncEngine()).predictor
    monkeypatch.setattr("app.serve.app.create_async_predictor", lambda _: predictor)
    monkeypatch.setattr("app.serve.app.take_over", lambda _: None)
    try:
        assert create_service(load_settings(None, {}), ServerSettings.parse({})).predictor is predictor
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
