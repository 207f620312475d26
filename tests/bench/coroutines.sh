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
mkdir -p "$root/build"
work=$(mktemp -d "$root/build/bench.XXXXXX")

pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# measure NAME DURABILITY SERVER-FLAG...
measure() {
  local name=$1 durability=$2 run took
  shift 2
  rm -rf "$work/port" "$work/data"
  "$bin/treadle-server" --listen 127.0.0.1:0 --port-file "$work/port" --log-level warn "$@" &
  pids+=("$!")
  for _ in {1..300}; do
    [[ -s $work/port ]] && break
    sleep 0.1
  done
  local address
  address=127.0.0.1:$(<"$work/port")
  "$bin/coroutine_bench" worker "$address" &
  pids+=("$!")
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
