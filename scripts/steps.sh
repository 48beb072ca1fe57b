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

# quoted WORD...: the words as a shell reads them, for copying
quoted() {
    for word; do
        case $word in
        '' | *[!A-Za-z0-9_./=,:+-]*) printf "'%s' " "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")" ;;
        *) printf '%s ' "$word" ;;
        esac
    done
    printf '\n'
}

# step NAME COMMAND...
step() {
    if [ "$dry" ]; then
        shift
        quoted "$@"
        return
    fi
    say "" "== $1"
    shift
    say "\$ $(quoted "$@")"
    began=$(date +%s)
    "$@"
    say "-- $(($(date +%s) - began)) s"
}
