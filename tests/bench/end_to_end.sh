#!/usr/bin/env bash
# Measures Treadle end to end, one client and one worker that does nothing, 100-byte payloads, as
# shares of the ceiling: what the same three processes reach over bare batched gRPC streams without
# any queue or store (tests/bench/ceiling). All in one run, because machines are noisy.
#
#   tests/bench/end_to_end.sh [--seconds N] [--bin FOLDER] [--data FOLDER] [--idle-count N]
#
# --bin: where the programs are; without it, they are built into build/default. --data: RocksDB's
# folder, made and removed; it must lie on the disk that is to be measured. Default: below build/.
# "batch" is how many tasks the client submits before it looks at results again. How many travel in
# one message is then the library's own affair; in the ceiling it is exactly the batch.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
seconds=5
idle_count=25
bin=
data_parent=$root/build
while [[ $# -gt 0 ]]; do
  case $1 in
    --seconds) seconds=$2 ;;
    --idle-count) idle_count=$2 ;;
    --bin) bin=$2 ;;
    --data) data_parent=$2 ;;
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
    cmake --build --preset default --target ceiling_relay end_to_end_client end_to_end_worker \
      treadle-server) >&2
fi
# shellcheck source=tests/bench/processes.sh
source "$root/tests/bench/processes.sh"
make_work "$data_parent"

# CPU seconds that a process has used.
cpu_of() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz }' "/proc/$1/stat"; }

declare -A ceiling
measure_ceiling() {
  start relay "$bin/ceiling_relay" server 127.0.0.1:0
  wait_for_file "$work/relay.log"
  local address
  address=$(head -n 1 "$work/relay.log")
  start relay_worker "$bin/ceiling_relay" worker "$address"
  local round_trip
  round_trip=$("$bin/ceiling_relay" ping "$address" 2000)
  for batch in 100 1000; do
    ceiling[$batch]=$("$bin/ceiling_relay" client "$address" "$batch" 50000 "$seconds")
    printf '%-28s %6d %11d\n' 'ceiling' "$batch" "${ceiling[$batch]}"
  done
  printf 'ceiling, one round trip: median %d us, 99th percentile %d us\n' "${round_trip% *}" \
    "${round_trip#* }" >>"$work/notes"
  stop
}

# start_treadle SERVER-FLAG...: sets `address`; pids: the server's, the worker's.
start_treadle() {
  start_server "$bin" "$@"
  start worker "$bin/end_to_end_worker" "$address"
  # The first task ends when the worker is there.
  "$bin/end_to_end_client" idle "$address" memory 1 0 >/dev/null
}

# measure NAME DURABILITY BATCH SERVER-FLAG...
measure() {
  local name=$1 durability=$2 batch=$3
  shift 3
  start_treadle "$@"
  local server=${pids[-2]} worker=${pids[-1]} server_before worker_before line
  # Once to warm up.
  timeout 60 "$bin/end_to_end_client" rate "$address" "$durability" "$batch" 50000 1 >/dev/null
  server_before=$(cpu_of "$server")
  worker_before=$(cpu_of "$worker")
  line=$(timeout $((seconds + 60)) \
    "$bin/end_to_end_client" rate "$address" "$durability" "$batch" 50000 "$seconds")
  awk -v name="$name" -v batch="$batch" -v ceiling="${ceiling[$batch]}" \
    -v server="$(cpu_of "$server")" -v server_before="$server_before" \
    -v worker="$(cpu_of "$worker")" -v worker_before="$worker_before" '{
      printf "%-28s %6d %11.0f %7.1f%%  %6.2f %6.2f %6.2f\n", name, batch, $1 / $2,
             100 * $1 / $2 / ceiling, 1e6 * $3 / $1, 1e6 * (server - server_before) / $1,
             1e6 * (worker - worker_before) / $1
    }' <<<"$line"
  stop
}

measure_idle() {
  start_treadle "${@:3}"
  "$bin/end_to_end_client" idle "$address" "$2" "$idle_count" 1050 |
    awk -v name="$1" -v count="$idle_count" '{
      printf "%s: one task after 1.05 s of idleness, %d times: median %.2f ms, slowest %.2f ms\n",
             name, count, $1 / 1e3, $2 / 1e3
    }' \
    >>"$work/notes"
  stop
}

printf '%-28s %6s %11s %8s  %20s\n' '' '' '' 'of the' 'CPU us per task in'
printf '%-28s %6s %11s %8s  %6s %6s %6s\n' '' batch tasks/s ceiling client server worker
measure_ceiling
for batch in 100 1000; do measure 'memory store' memory "$batch" --store memory; done
for batch in 100 1000; do
  measure 'RocksDB, SYNCED' synced "$batch" --store rocksdb --data-dir "$work/data"
done
measure_idle 'memory store' memory --store memory
measure_idle 'RocksDB, SYNCED' synced --store rocksdb --data-dir "$work/data"
echo
cat "$work/notes"
echo "$(nproc) CPUs, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), load" \
  "$(cut -d ' ' -f 1 /proc/loadavg) at the end"
