#!/usr/bin/env bash
# Runs shellcheck over every shell script of the tree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t files < <(/usr/bin/python3 tests/tidy/tree.py .sh .ci/run)
shellcheck --shell=bash "${files[@]}"
echo "shellcheck: ${#files[@]} scripts"
