#!/usr/bin/env bash
# Checks a crate alone: with no default features, then with each feature but cuda and mpi.
#   features.sh list          the crates, as a JSON array
#   features.sh plan CRATE    the arguments of each check
#   features.sh check CRATE   runs them
set -euo pipefail
cd "$(dirname "$0")/.."
metadata() { cargo metadata --locked --no-deps --format-version 1; }

list() { metadata | jq -c '[.packages[].name | select(. != "xtask")] | sort'; }

plan() {
  echo "--no-default-features"
  metadata | jq -r --arg crate "$1" '.packages[] | select(.name == $crate) | .features | keys[]
    | select(. != "default" and . != "cuda" and . != "mpi") | "--no-default-features --features " + .'
}

case "${1:-}" in
  list) list ;;
  plan) plan "$2" ;;
  check)
    plan "$2" | while read -r flags; do
      echo "== $2 $flags"
      # shellcheck disable=SC2086 # flags are several words
      cargo check --locked -p "$2" --all-targets $flags </dev/null
    done
    ;;
  *) echo "usage: features.sh list | plan CRATE | check CRATE" >&2; exit 2 ;;
esac
