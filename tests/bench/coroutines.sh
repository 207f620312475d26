#!/usr/bin/env bash
# Ten thousand coroutine tasks that wait one second each, on one thread of one worker, through a
# broker: how long all of them take together, and how much memory the worker has at its most.
#
#   tests/bench/coroutines.sh [--tasks N] [--bin FOLDER]
#
# --bin: where the programs are; without it, they are built into build/default.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tasks=10000
bin=
while [[ $# -gt 0 ]]; do
  case $1 in
    --tasks) tasks=$2 ;;
    --bin) bin=$2 ;;
    *)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
      exit 2
      ;;
  esac
  shift 2
done

if [[ -z $bin ]]; then
  bin=$root/build/default/bin
  (cd "$root" && cmake --preset default >/dev/null &&
    cmake --build --preset default --target coroutine_bench treadle-server) >&2
fi
# shellcheck source=tests/bench/processes.sh
source "$root/tests/bench/processes.sh"
make_work "$root/build"

# measure NAME DURABILITY SERVER-FLAG...
measure() {
  local name=$1 durability=$2 run took
  shift 2
  start_server "$bin" "$@"
  start worker "$bin/coroutine_bench" worker "$address"
  timeout 60 "$bin/coroutine_bench" client "$address" "$durability" 1 >/dev/null # it is there
  for run in 1 2 3; do
    took=$(timeout 120 "$bin/coroutine_bench" client "$address" "$durability" "$tasks")
    awk -v name="$name" -v run="$run" -v tasks="$tasks" -v took="$took" '
      /^VmHWM/ {
        printf "%-16s run %d: %d tasks of 1 s in %.2f s; the worker, at its most: %.0f MB\n",
               name, run, tasks, took, $2 / 1e3
      }' "/proc/${pids[-1]}/status"
  done
  stop
}

measure 'memory store' memory --store memory
measure 'RocksDB, SYNCED' synced --store rocksdb --data-dir "$work/data"
