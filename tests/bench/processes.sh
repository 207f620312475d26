# For the benchmarks beside it, which source it: runs programs in the background, each with a log in
# a folder of their own, and stops them.

# make_work PARENT: the folder `work` below it, removed at the end, when all that was started stops.
make_work() {
  mkdir -p "$1"
  work=$(mktemp -d "$1/bench.XXXXXX")
  trap 'stop; rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
}

pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}

# start NAME COMMAND...: in the background; its pid is the last of `pids`.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids+=("$!")
}

wait_for_file() {
  for _ in {1..300}; do
    [[ -s $1 ]] && return
    sleep 0.1
  done
  cat "$work"/*.log >&2
  echo "${0##*/}: nothing came in 30 s" >&2
  exit 1
}

# start_server FOLDER-OF-PROGRAMS SERVER-FLAG...: anew; sets `address`.
start_server() {
  local bin=$1
  shift
  rm -rf "$work/port" "$work/data"
  # Older builds have no such port.
  if [[ $("$bin/treadle-server" --help) == *--http-listen* ]]; then set -- --http-listen= "$@"; fi
  start server "$bin/treadle-server" --listen 127.0.0.1:0 --port-file "$work/port" \
    --log-level warn "$@"
  wait_for_file "$work/port"
  # shellcheck disable=SC2034 # the caller's
  address=127.0.0.1:$(<"$work/port")
}
