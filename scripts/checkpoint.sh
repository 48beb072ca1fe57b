#!/bin/sh
# The embedded checkpoint again from raw data: scripts/checkpoint.sh (`make checkpoint` calls it). Needs the published data
# sets that configs/mixture.yaml names; an hour and a half on two cores. A stopped training goes on; --dry-run prints the commands.
set -eu
cd "$(dirname "$0")/.."
. scripts/steps.sh

OUT=runs/mini
DATA=$OUT/data
ABOUT="A small Qwen2 model, trained from scratch for the five ShopBench task types, that ships with the project and answers on two CPU cores. \
It shows the whole path from question to answer; it does not compete with models a thousand times its size."

step "1/7 Data: published and generated rows, cleaned, mixed and split" \
    shopbench data build configs/mixture.yaml $DATA --overwrite
step "2/7 Base: from scratch on the rows and drills" \
    python -m app.training.pretraining.pretrain configs/pretrain.yaml
step "3/7 Multi-task: every parameter, loss on the answers only" \
    shopbench train configs/mini.yaml
step "4/7 WiSE-FT: how much of the second stage, by the validation rows" \
    shopbench checkpoint sweep $OUT/base $OUT/tuned $OUT/sweep --data $DATA/validation.jsonl --alphas 0,0.5,1
step "5/7 Test rows" \
    env SHOPBENCH_MODEL=$OUT/sweep/checkpoint shopbench evaluate $DATA/test.jsonl --baseline-data $DATA/train.jsonl --report $OUT/test
step "6/7 Card: data, licences, settings and scores" \
    shopbench checkpoint card $OUT/sweep/checkpoint --title "The embedded checkpoint" --licence apache-2.0 --about "$ABOUT" \
    --mixture $DATA --record $OUT/base/pretraining.json --evaluation $OUT/test
step "   its scores by task type and source" \
    python scripts/by_source.py $OUT/test $DATA/test.jsonl $OUT/sweep/checkpoint/README.md
step "7/7 In its place" \
    cp -R $OUT/sweep/checkpoint/. models/mini
