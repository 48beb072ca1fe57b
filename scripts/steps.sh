# Steps of a script that say what they do and how long it took: sourced by train_demo.sh and checkpoint.sh.
PATH="$PWD/.venv/bin:$PATH"

case "$#:${1-}" in
0:) dry= ;;
1:--dry-run) dry=yes ;;
*)
    echo "usage: $0 [--dry-run]" >&2
    exit 2
    ;;
esac

say() { printf '%s\n' "$*" >&2; }

# step NAME COMMAND...
step() {
    if [ "$dry" ]; then
        shift
        printf '%s\n' "$*"
        return
    fi
    say "" "== $1"
    shift
    say "\$ $*"
    began=$(date +%s)
    "$@"
    say "-- $(($(date +%s) - began)) s"
}
