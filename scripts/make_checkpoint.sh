#!/bin/sh
# The default checkpoint's adapter from raw data: scripts/make_checkpoint.sh (`make checkpoint` calls it). Stopped at any
# point, it goes on when it is called again; `rm -r runs/shopbench-135m` begins afresh. --dry-run prints the commands.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

case "$#:${1-}" in
0:) run= ;;
1:--dry-run) run=echo ;;
*)
    echo "usage: $0 [--dry-run]" >&2
    exit 2
    ;;
esac

RUN=runs/shopbench-135m
OURS=models/shopbench-135m/adapter
SHIPPED=weights/shopbench-135m

[ -f $RUN/data/manifest.json ] || $run shopbench data build configs/shopbench-135m-mixture.yaml $RUN/data
$run shopbench train configs/shopbench-135m.yaml
$run shopbench checkpoint default --adapter $RUN/adapter
# Scores on generated rows prove little: they are told apart, and last.
if [ ! "$run" ]; then
    grep -v '"source": "catalogue"' $RUN/data/test.jsonl >$RUN/real.jsonl
    grep '"source": "catalogue"' $RUN/data/test.jsonl >$RUN/generated.jsonl
fi
for rows in $RUN/real.jsonl ../shared/data/development.json $RUN/generated.jsonl; do
    $run shopbench evaluate $rows --model $SHIPPED --report "$RUN/$(basename "${rows%.*}")"
done
$run shopbench checkpoint card $SHIPPED --title shopbench-135m --licence apache-2.0 --mixture $RUN/data \
    --record $OURS/training.json --evaluation $RUN/real --evaluation $RUN/development --evaluation $RUN/generated
[ "$run" ] || cp $SHIPPED/README.md $OURS/README.md
