"""`shopbench serve`: the HTTP server."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from app.errors import EngineError, SetupError
from app.serve.app import build_app, check_data_folder, create_batches, create_chat, create_service
from app.serve.http_server import HttpServer, uvicorn_config
from app.serve.logs import set_up_logging
from app.serve.middleware.keys import VARIABLE, ApiKeys, is_loopback
from app.serve.server_settings import ServerSettings
from app.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """What the command line says about where to listen; None leaves it to the settings."""

    host: str | None = None
    port: int | None = None
    insecure: bool | None = None


def serve(settings: Settings, address: Address) -> None:
    """Serve until a signal or until the engine fails for good.

    Raises:
        SetupError: what is missing or wrong, or a public address without keys.
        EngineError: the engine failed for good.
    """
    given = {"host": address.host, "port": address.port, "insecure": address.insecure}
    server = ServerSettings.parse(
        settings.server_settings | {name: value for name, value in given.items() if value is not None}
    )
    keys = ApiKeys.parse(os.environ.get(VARIABLE, ""))
    check_address(server, keys)
    set_up_logging(server.log_level)
    check_data_folder(server)
    bound = bind(server.host, server.port)
    log.info("loading", extra={"model": settings.model, "url": _url(bound)})
    with ended_by_sigterm():
        service = create_service(settings, server)
    engine_failed = False

    def stop() -> None:
        nonlocal engine_failed
        engine_failed = runner.should_exit = True

    chat = create_chat(service)
    app = build_app(service, keys, chat, stop, create_batches(settings, service, chat))
    runner = HttpServer(uvicorn_config(app, server))
    runner.run(sockets=[bound])
    if engine_failed:
        raise EngineError("the engine failed for good; the log has the reason")


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Leave in order where SIGTERM comes while the model loads: vLLM's processes outlive one that just dies."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def bind(host: str, port: int) -> socket.socket:
    """Take the address before the model is loaded. Connections are refused until the server is ready for them.

    Raises:
        SetupError: there is no such address, or it is taken.
    """
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


def check_address(server: ServerSettings, keys: ApiKeys) -> None:
    """Refuse to be open to everyone by accident.

    Raises:
        SetupError: an address beyond this machine, and no keys.
    """
    if not keys and not server.insecure and not is_loopback(server.host):
        raise SetupError(
            f"{server.host} can be reached from other machines and no keys are set: set {VARIABLE}=name:key, "
            "listen on 127.0.0.1, or say --insecure"
        )


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
