#!/usr/bin/env bash
# Builds what the measures of this folder need, and runs them: tests/bench/run.sh --help, or
# tests/bench/run.sh operators --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
script=run.py
if [[ ${1:-} == operators ]]; then
  script=operators.py
  shift
fi
export TREADLE_BIN=$root/build/default/bin PYTHONDONTWRITEBYTECODE=1
case " $* " in
  *" --help "* | *" -h "*) ;;
  *)
    (cd "$root" && cmake --preset default >/dev/null &&
      cmake --build --preset default --target ceiling_relay bench_client bench_worker bench_peers \
        treadle-server treadle_cli) >&2
    if [[ $script == operators.py ]]; then
      export NODE_PATH=$root/build/default/tests/dashboard/npm
      "$root/tests/support/npm_install.sh" "$root/tests/dashboard" "$NODE_PATH" >&2
    fi
    ;;
esac
cd "$root"
exec /usr/bin/python3 "tests/bench/$script" "$@"
