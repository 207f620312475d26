#!/usr/bin/env bash
# npm_install.sh FROM TO: installs what FROM/package.json names into the folder TO. Quick when that
# was done before.
set -euo pipefail
from=$1
to=$2

if ! command -v npm >/dev/null; then
  echo "npm is not installed: deploy/install-packages.sh installs it" >&2
  exit 1
fi
if [[ -d $to/node_modules ]] && cmp -s "$from/package.json" "$to/installed.json"; then
  exit 0
fi
mkdir -p "$to"
cp "$from/package.json" "$to/"
# None of these packages needs to run anything to be installed.
if ! npm --prefix "$to" install --no-package-lock --ignore-scripts --no-audit --no-fund \
  --loglevel=error </dev/null; then
  echo "npm could not install what $from/package.json names: is the npm registry reachable?" >&2
  exit 1
fi
cp "$from/package.json" "$to/installed.json"
