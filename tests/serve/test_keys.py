import logging
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from app.cli.serve import check_address
from app.errors import SetupError
from app.serve.middleware.keys import PUBLIC, ApiKeys
from app.serve.server_settings import ServerSettings
from tests.serve.calls import CHOICE, app_of, call, predict, problem, talk

KEYS = "alice:a-secret-of-alice,bob:a-secret-of-bob"
ALICE = {"authorization": "Bearer a-secret-of-alice"}


def test_every_route_but_the_listed_ones_needs_a_key(tmp_path: Path) -> None:
    app = app_of(keys=KEYS, folder=tmp_path)
    closed = 0
    for route in app.routes:
        assert isinstance(route, Route), "another kind of route needs a look at how it is guarded"
        path = route.path.replace("{model:path}", "mini").replace("{name}", "file-1")
        for method in route.methods or {"GET"}:
            status = call(app, method, path, json={} if method == "POST" else None).status_code
            if path in PUBLIC:
                assert status in (200, 503), (method, path)
            else:
                closed += 1
                assert status == 401, (method, path)
    assert closed >= 20


def test_what_is_public_is_this_and_no_more() -> None:
    assert {
        "/livez",
        "/health",
        "/readyz",
        "/",
        "/playground.css",
        "/playground.js",
        "/small-file.js",
        "/favicon.svg",
        "/samples.json",
    } == PUBLIC


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "DELETE", "BREW"])
def test_what_is_public_is_so_only_to_read(method: str) -> None:
    problem(call(app_of(keys=KEYS), method, "/livez", json={}), 401, "no_valid_key")


@pytest.mark.parametrize("path", ["/nothing", "/docs", "/openapi.json", "/metrics", "/livez/", "/livez;x", "/livez%00"])
def test_paths_that_only_look_public_are_closed(path: str) -> None:
    problem(call(app_of(keys=KEYS), "GET", path), 401, "no_valid_key")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "a-secret-of-alice",
        "Basic a-secret-of-alice",
        "Bearer",
        "Bearer wrong",
        "Bearer a-secret-of-alicE",
        "Bearer é",
    ],
)
def test_other_keys_are_401(given: str) -> None:
    response = call(app_of(keys=KEYS), "GET", "/metrics", headers={"authorization": given.encode("latin-1")})
    problem(response, 401, "no_valid_key")
    assert response.headers["www-authenticate"] == "Bearer"


def test_each_key_opens() -> None:
    app = app_of(keys=KEYS)
    for key in ("a-secret-of-alice", "a-secret-of-bob"):
        assert predict(app, CHOICE, headers={"authorization": f"bearer {key}"}).status_code == 200


@pytest.mark.parametrize(
    "text", ["alice", ":key", "alice:", "al ice:key", "alice:k1,alice:k2", "alice:ke y", "a/b:key"]
)
def test_keys_that_cannot_be_read_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(SetupError, match="SHOPBENCH_API_KEYS") as caught:
        ApiKeys.parse(text)
    for part in ("key", "k1", "k2", "ke y"):
        assert f":{part}" not in str(caught.value).replace("name:key", "")


def test_secrets_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        predict(app_of(keys=KEYS), CHOICE, headers=ALICE)
    written = "".join(str(vars(line)) for line in caplog.records)
    assert "'key': 'alice'" in written
    assert "a-secret-of-alice" not in written
    assert "hair dryer" not in written, "prompts are logged only when asked for"


@pytest.mark.parametrize("path", sorted(PUBLIC))
def test_public_paths_answer_probes_without_a_body(path: str) -> None:
    assert call(app_of(keys=KEYS), "HEAD", path).status_code == 200


def test_who_has_no_key_can_be_traced(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        call(app_of(keys=KEYS), "GET", "/metrics")
    (line,) = [vars(line) for line in caplog.records if line.message == "request"]
    assert (line["status"], line["client"]) == (401, "127.0.0.1")


def test_prompts_reach_the_log_when_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        predict(app_of(log_prompts=True), CHOICE)
    assert "hair dryer" in "".join(str(vars(line)) for line in caplog.records)


def test_without_keys_only_this_machine_is_served() -> None:
    async def ask(connection: httpx.AsyncClient) -> httpx.Response:
        return await connection.get("/metrics")

    problem(talk(app_of(), ask, server="192.0.2.7"), 403, "no_keys")
    assert talk(app_of(insecure=True), ask, server="192.0.2.7").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:8000", 200), ("evil.example", 403), ("[", 403), ("", 200)],
)
def test_a_foreign_name_for_this_machine_is_refused(host: str, status: int) -> None:
    assert call(app_of(), "GET", "/metrics", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://127.0.0.1:3000"}, 200),
        ({"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
    ],
)
def test_without_keys_pages_of_other_sites_change_nothing(headers: dict[str, str], status: int) -> None:
    for app in (app_of(), app_of(insecure=True)):
        response = predict(app, CHOICE, headers=headers)
        assert response.status_code == status, response.text
        assert call(app, "GET", "/metrics", headers=headers).status_code == 200
    if status == 403:
        problem(response, 403, "cross_site")
    assert predict(app_of(keys=KEYS), CHOICE, headers={**headers, **ALICE}).status_code == 200


def test_without_keys_a_form_of_another_site_uploads_nothing(tmp_path: Path) -> None:
    form = {"data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", b"{}")}}
    response = call(app_of(folder=tmp_path), "POST", "/v1/files", headers={"origin": "https://evil.example"}, **form)
    problem(response, 403, "cross_site")


def test_a_name_of_its_own_is_the_servers_own_page() -> None:
    headers = {"host": "shop.example", "origin": "https://shop.example"}
    assert predict(app_of(insecure=True), CHOICE, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "keys", "insecure", "allowed"),
    [
        ("127.0.0.1", "", False, True),
        ("::1", "", False, True),
        ("localhost", "", False, True),
        ("0.0.0.0", "", False, False),  # noqa: S104  # what must be refused
        ("192.0.2.7", "", False, False),
        ("example.org", "", False, False),
        ("0.0.0.0", "", True, True),  # noqa: S104  # refused here
        ("0.0.0.0", KEYS, False, True),  # noqa: S104  # not bound
    ],
)
def test_a_public_address_needs_keys(host: str, keys: str, insecure: bool, allowed: bool) -> None:
    server = ServerSettings.parse({"host": host, "insecure": insecure})
    if allowed:
        check_address(server, ApiKeys.parse(keys))
    else:
        with pytest.raises(SetupError, match="--insecure"):
            check_address(server, ApiKeys.parse(keys))
