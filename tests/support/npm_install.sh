#!/usr/bin/env bash
# npm_install.sh FROM TO: installs what FROM/package.json names into the folder TO, and exactly what
# FROM/package-lock.json says if there is one. Quick when that was done before.
set -euo pipefail
from=$1
to=$2

if ! command -v npm >/dev/null; then
  echo "npm is not installed: deploy/install-packages.sh installs it" >&2
  exit 1
fi
files=(package.json)
install=(install --no-package-lock)
if [[ -f $from/package-lock.json ]]; then
  files+=(package-lock.json)
  install=(ci)
fi
wanted() { (cd "$from" && cat "${files[@]}"); }
if [[ -d $to/node_modules ]] && cmp -s <(wanted) "$to/installed.json"; then
  exit 0
fi
mkdir -p "$to"
(cd "$from" && cp "${files[@]}" "$to/")
# None of these packages needs to run anything to be installed.
if ! npm --prefix "$to" "${install[@]}" --ignore-scripts --no-audit --no-fund \
  --loglevel=error </dev/null; then
  echo "npm could not install what $from/package.json names: is the npm registry reachable?" >&2
  exit 1
fi
wanted >"$to/installed.json"
