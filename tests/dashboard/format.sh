#!/usr/bin/env bash
# Checks that prettier would change nothing of the dashboard, and of its tests. With --fix, lets it
# change what it would. What make_types.py writes has a form of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mode=--check
[[ ${1:-} == --fix ]] && mode=--write
prettier=("$NODE_PATH/node_modules/.bin/prettier" --no-config --print-width 100 --log-level warn)

mapfile -t sources < <(/usr/bin/python3 tests/tidy/tree.py .ts .tsx .css | grep -v '/api\.ts$')
"${prettier[@]}" "$mode" "${sources[@]}"
"${prettier[@]}" --single-quote "$mode" tests/{dashboard,bench}/*.mjs
