#!/bin/sh
# From raw data to a served, evaluated checkpoint: scripts/train_demo.sh (`make train-demo` calls it). Everything is
# written below runs/train-demo, and every start begins afresh. --dry-run prints the commands and runs none.
set -eu
cd "$(dirname "$0")/.."
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

BASE=weights/smollm2-135m-instruct
ASKED=configs/train-demo-answers.yaml
OUT=runs/train-demo
DATA=$OUT/data
ADAPTER=$OUT/adapter
CHECKPOINT=$OUT/checkpoint

start=$(date +%s)

step "1/8 Data: rows of the generated shop, cleaned, mixed and split" \
    shopbench data build configs/mixture-demo.yaml $DATA --overwrite
step "2/8 Before: the base model answers the test rows" \
    shopbench evaluate $DATA/test.jsonl --model $BASE --config $ASKED --report $OUT/before
step "3/8 Training: a LoRA adapter" \
    shopbench train configs/train-demo.yaml --overwrite
step "4/8 Merge: base and adapter become one checkpoint" \
    shopbench checkpoint merge $BASE $ADAPTER $CHECKPOINT --prompts $DATA/validation.jsonl --overwrite
step "5/8 Verify: vLLM answers the same with the checkpoint as with base and adapter" \
    shopbench checkpoint verify $CHECKPOINT --against $BASE+$ADAPTER --prompts $DATA/validation.jsonl \
    --logprob 5 --same-text 0.8
step "6/8 After: the checkpoint answers the test rows" \
    shopbench evaluate $DATA/test.jsonl --model $CHECKPOINT --config $ASKED --report $OUT/after
step "7/8 Card: data, licences, settings and scores" \
    shopbench checkpoint card $CHECKPOINT --title train-demo --licence apache-2.0 --mixture $DATA \
    --record $ADAPTER/training.json --evaluation $OUT/after
step "8/8 Before against after" \
    shopbench compare $OUT/before $OUT/after --page $OUT/comparison.html

[ "$dry" ] && exit
say ""
say "Done in $(($(date +%s) - start)) s. Processor time, user and system, of this shell and of its commands:"
times >&2
say "Page: $OUT/comparison.html    Card: $CHECKPOINT/README.md"
say "Serve it: .venv/bin/shopbench serve --model $CHECKPOINT"
