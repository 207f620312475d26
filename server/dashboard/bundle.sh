#!/usr/bin/env bash
# Makes the files that treadle-server has built in: index.html, app.js.gz and app.css.gz.
#
#   server/dashboard/bundle.sh OUTDIR
#
# The same sources make the same bytes. React and Chart.js are Debian's.
set -euo pipefail

if [[ $# -ne 1 ]]; then
  echo "usage: bundle.sh OUTDIR" >&2
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

NODE_PATH=${NODE_PATH:-/usr/share/nodejs} esbuild "$here/main.tsx" --bundle --minify \
  --target=es2020 --format=iife --jsx=automatic --define:process.env.NODE_ENV='"production"' \
  --log-level=warning --outfile="$out/app.js"
gzip -9nf "$out/app.js" "$out/app.css"
cp "$here/index.html" "$out/index.html"
