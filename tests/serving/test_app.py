import asyncio
import gc

from tests.serving.calls import app_of


def test_what_is_loaded_is_kept_out_of_garbage_collection_while_the_server_runs() -> None:
    async def main() -> None:
        app = app_of()
        async with app.router.lifespan_context(app):
            assert gc.get_freeze_count() > 10_000
        assert gc.get_freeze_count() == 0

    asyncio.run(main())
