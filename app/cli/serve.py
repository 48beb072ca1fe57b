"""`shopbench serve`: the HTTP server."""

import logging
import os
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import EXIT_CODES, Config, Model, Seed
from app.errors import EngineError, SetupError
from app.process import ended_by_sigterm

if TYPE_CHECKING:
    from app.serve.middleware.keys import ApiKeys
    from app.serve.server_settings import ServerSettings

cli = typer.Typer()
log = logging.getLogger(__name__)


@cli.command(epilog="Example:  SHOPBENCH_API_KEYS=alice:a-long-secret shopbench serve --host 0.0.0.0\n\n" + EXIT_CODES)
def serve(
    config: Config = None,
    model: Model = None,
    seed: Seed = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port.", show_default="8000")] = None,
    root_path: Annotated[
        str | None, typer.Option(help="What a proxy has before the paths, such as /shop.", show_default="nothing")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What requests call the model.", show_default="its folder's name")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without any key.")] = False,
) -> None:
    """Answer questions over HTTP, with a page for people at /. Keys come from SHOPBENCH_API_KEYS."""
    from app.serve.app import build_app, check_data_folder, create_batches, create_service
    from app.serve.http_server import HttpServer, uvicorn_config
    from app.serve.middleware.keys import VARIABLE, ApiKeys
    from app.serve.operations import set_up_logging
    from app.serve.server_settings import ServerSettings
    from app.settings import load_settings

    settings = load_settings(config, {"model": model, "seed": seed})
    given = {"host": host, "port": port, "root_path": root_path, "model_name": name, "insecure": insecure or None}
    wanted = settings.server_settings | {option: value for option, value in given.items() if value is not None}
    settings, server = settings.model_copy(update={"server_settings": wanted}), ServerSettings.parse(wanted)
    keys = ApiKeys.parse(os.environ.get(VARIABLE, ""))
    check_address(server, keys)
    set_up_logging(server.log_level)
    check_data_folder(server)
    bound = bind(server.host, server.port)
    place, number = bound.getsockname()[:2]
    url = f"http://[{place}]:{number}/" if ":" in place else f"http://{place}:{number}/"
    log.info("loading", extra={"model": settings.model, "url": url})
    # vLLM's processes outlive one that just dies.
    with ended_by_sigterm():
        service = create_service(settings, server)
    engine_failed = False

    def stop() -> None:
        nonlocal engine_failed
        engine_failed = runner.should_exit = True

    app = build_app(service, keys, stop, create_batches(settings, service))
    runner = HttpServer(uvicorn_config(app, server))
    runner.run(sockets=[bound])
    if engine_failed:
        raise EngineError("the engine failed for good; the log has the reason")


def bind(host: str, port: int) -> socket.socket:
    """Take the address, before the model is loaded: connections are refused until the server is ready for them."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise SetupError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose with --host and --port"
        ) from error
    return bound


def check_address(server: "ServerSettings", keys: "ApiKeys") -> None:
    """Refuse to be open to everyone by accident: an address beyond this machine, and no keys."""
    from app.serve.middleware.keys import VARIABLE, is_loopback

    if not keys and not server.insecure and not is_loopback(server.host):
        raise SetupError(
            f"{server.host} can be reached from other machines and no keys are set: set {VARIABLE}=name:key, "
            "listen on 127.0.0.1, or say --insecure"
        )
