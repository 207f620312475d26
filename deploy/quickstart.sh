#!/usr/bin/env bash
# Shows Treadle at work: builds it, starts a broker on RocksDB and two workers, submits one task for
# each file of FOLDER, fetches the results, checks them, and stops everything again.
#
#   deploy/quickstart.sh [FOLDER]     default: the licence texts that Debian ships
#
# Each task counts a file's words and takes its SHA-256, in another process than the one that asks.
# Packages that are missing are installed (root or sudo); all else stays below build/.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-/usr/share/common-licenses}
shown=10                             # rows of the table
file_bytes_max=$((32 * 1024 * 1024)) # the broker is told to take payloads of this size
bin=$root/build/release/bin
program=$root/deploy/words-and-sha256.sh

case $folder in
  -h | --help)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
esac
if [[ $# -gt 1 || ! -d $folder || ! -r $folder ]]; then
  echo "quickstart.sh: '$folder' is not a folder that can be read: name one, or none" >&2
  exit 2
fi
folder=$(cd "$folder" && pwd)

say() { printf '\n== %s\n' "$1"; }

build() {
  "$root/deploy/install-packages.sh" build
  mkdir -p "$root/build"
  local log=$root/build/quickstart-build.log
  if ! (cd "$root" && cmake --preset release) >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "quickstart.sh: cmake could not configure; all it said is in $log" >&2
    exit 1
  fi
  # One line for each twentieth of the work.
  if ! NINJA_STATUS='[%f/%t %es] ' cmake --build "$root/build/release" \
    --target treadle-server treadle-worker treadle_cli 2>&1 | tee -a "$log" |
    awk -F'[][/ ]' '/^\[[0-9]+\/[0-9]+ / {
      if (int(20 * $2 / $3) > step) { step = int(20 * $2 / $3); print $2 " of " $3 " steps, " $4 }
      fflush()
    }'; then
    grep -A 20 -m 3 -E '^FAILED|error:' "$log" >&2 || tail -n 20 "$log" >&2
    echo "quickstart.sh: the build failed; all it said is in $log" >&2
    exit 1
  fi
}

pids=()
work=
stop() {
  local status=$? at
  trap - EXIT
  # The workers before the broker, so that they hand back what they have.
  for ((at = ${#pids[@]} - 1; at >= 0; at--)); do
    kill "${pids[at]}" 2>/dev/null || true
    wait "${pids[at]}" 2>/dev/null || true
  done
  if [[ $status -eq 1 && -n $work ]]; then
    tail -n 5 "$work"/*.log >&2 || true
    echo "quickstart.sh: failed; all logs are in $work" >&2
  elif [[ -n $work ]]; then
    rm -rf "$work"
  fi
  exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME COMMAND...: in the background, its output in NAME.log.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids+=("$!")
}

# wait_for WHAT COMMAND...: until the command succeeds.
wait_for() {
  local what=$1
  shift
  for _ in {1..600}; do
    "$@" && return
    for pid in "${pids[@]}"; do
      if ! kill -0 "$pid" 2>/dev/null; then
        echo "quickstart.sh: a process ended while waiting for $what" >&2
        exit 1
      fi
    done
    sleep 0.1
  done
  echo "quickstart.sh: waited a minute in vain for $what" >&2
  exit 1
}
two_workers() { [[ $("$bin/treadle" worker list -o name | grep -c .) -eq 2 ]]; }

start_broker_and_workers() {
  work=$(mktemp -d "$root/build/quickstart.XXXXXX")
  start broker "$bin/treadle-server" --listen 127.0.0.1:0 --data-dir "$work/data" \
    --port-file "$work/port" --http-listen '' --payload-max 32MiB
  wait_for 'the broker' test -s "$work/port"
  TREADLE_BROKER=127.0.0.1:$(<"$work/port")
  export TREADLE_BROKER
  for name in warp weft; do
    start "$name" "$bin/treadle-worker" --broker "$TREADLE_BROKER" --name "$name" \
      --allow-exec "$program"
  done
  wait_for 'the workers' two_workers
  echo "broker: pid ${pids[0]} at $TREADLE_BROKER, data in RocksDB;" \
    "workers: pids ${pids[1]} and ${pids[2]}"
}

# Whatever names the files have: results come in the order of the files, one line each.
files=()
results=()
run_tasks() {
  local size
  while IFS= read -r -d '' size && IFS= read -r -d '' file; do
    if [[ $size -gt $file_bytes_max || ! -r $file ]]; then
      echo "left out (too large, or not readable): $file"
    else
      files+=("$file")
    fi
  done < <(find -L "$folder" -type f -printf '%s\0%p\0')
  if [[ ${#files[@]} -eq 0 ]]; then
    echo "quickstart.sh: there are no files to work on in $folder: name another folder" >&2
    exit 2
  fi
  local began=${EPOCHREALTIME/[.,]/}
  printf '%s\0' "${files[@]}" >"$work/items"
  "$bin/treadle" map --null --items "$work/items" --stdin-files -- "$program" >"$work/results"
  elapsed_us=$((${EPOCHREALTIME/[.,]/} - began))
  mapfile -t results <"$work/results"
  if [[ ${#results[@]} -ne ${#files[@]} ]]; then
    echo "quickstart.sh: ${#files[@]} tasks gave ${#results[@]} results" >&2
    exit 1
  fi
}

check_results() {
  local at words sum wrong=0
  for at in "${!files[@]}"; do
    words=$(LC_ALL=C wc -w <"${files[at]}")
    sum=$(sha256sum <"${files[at]}")
    if [[ ${results[at]} != "$words ${sum%% *}" ]]; then
      printf 'WRONG: %s: the task said "%s", wc and sha256sum say "%s %s"\n' \
        "${files[at]}" "${results[at]}" "$words" "${sum%% *}" >&2
      wrong=$((wrong + 1))
    fi
  done
  if [[ $wrong -ne 0 ]]; then
    echo "quickstart.sh: $wrong of ${#files[@]} results are wrong" >&2
    exit 1
  fi
}

print_table() {
  local at name
  printf '%10s  %8s  %-16s  %s\n' BYTES WORDS SHA-256 FILE
  for at in "${!files[@]}"; do
    name=${files[at]#"$folder"/}
    # Control characters in a name must not reach the terminal.
    printf '%10d  %8d  %-16.16s  %s\n' "$(stat -L -c %s "${files[at]}")" "${results[at]%% *}" \
      "${results[at]##* }" "${name//[[:cntrl:]]/?}"
  done | sort -rn -s | awk -v rows="$shown" 'NR <= rows'
  [[ ${#files[@]} -le $shown ]] || echo "... and $((${#files[@]} - shown)) more"
}

say 'Building (the first time takes minutes, later seconds)'
build
say 'Starting a broker and two workers'
start_broker_and_workers
say "Submitting one task for each file of $folder"
run_tasks
say 'Checking every result against wc and sha256sum'
check_results
echo "all ${#files[@]} results are right"
say 'The largest files'
print_table
echo
"$bin/treadle" worker list
awk -v tasks="${#files[@]}" -v us="$elapsed_us" 'BEGIN {
  printf "\n%d tasks in %.2f s: %.0f tasks/s, each submit on the disk before it was acknowledged\n",
         tasks, us / 1e6, tasks * 1e6 / us
}'
cat <<'END'

To go on, a broker that stays, in one terminal:
  build/release/bin/treadle-server --data-dir build/data
a worker in another:
  build/release/bin/treadle-worker --allow-exec /usr/bin/wc
and tasks in a third:
  build/release/bin/treadle map --stdin-files --tag -- /usr/bin/wc -w ::: *.md
  build/release/bin/treadle --help
README.md has a first program in C++ and one in Python.
END
