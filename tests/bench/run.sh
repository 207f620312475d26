#!/usr/bin/env bash
# Builds what tests/bench/run.py needs, and runs it: tests/bench/run.sh --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
case " $* " in
  *" --help "* | *" -h "*) ;;
  *)
    (cd "$root" && cmake --preset default >/dev/null &&
      cmake --build --preset default --target ceiling_relay bench_client bench_worker bench_peers \
        treadle-server treadle_cli) >&2
    ;;
esac
export TREADLE_BIN=$root/build/default/bin PYTHONDONTWRITEBYTECODE=1
cd "$root"
exec /usr/bin/python3 tests/bench/run.py "$@"
