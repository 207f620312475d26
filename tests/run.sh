#!/usr/bin/env bash
# Builds Treadle and runs its tests, from a machine with nothing installed on.
#
#   tests/run.sh                all tests, once
#   tests/run.sh --quick        without those labelled "slow"
#   tests/run.sh --tsan         then also what has threads and no gRPC under ThreadSanitizer
#   tests/run.sh --asan         then also what has no gRPC under ASAN and UBSAN (all: preset "asan")
#   tests/run.sh --clang        then also, under both, what uses coroutines, built by Clang
#   tests/run.sh --tidy         then also clang-tidy
#   tests/run.sh -- -R order    what follows -- goes to ctest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=()
sanitizers=()
tidy=
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) quick=(-LE slow) ;;
    --tsan) sanitizers+=(tsan-share) ;;
    --asan) sanitizers+=(asan-share) ;;
    --clang) sanitizers+=(clang) ;;
    --tidy) tidy=1 ;;
    --)
      shift
      break
      ;;
    -h | --help)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
    *)
      echo "run.sh: unknown option '$1' (--help lists them)" >&2
      exit 2
      ;;
  esac
  shift
done

say() {
  printf '\n== %s (%d min %02d s since the start)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}
failures=()
results=()

# build PRESET: quiet but for its progress, and for what went wrong. All it says is in a log.
build() {
  local preset=$1 log=build/$1.log
  mkdir -p build
  say "building '$preset'"
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    tail -n 30 "$log"
    echo "run.sh: cmake could not configure build/$preset; all it said is in $log" >&2
    exit 1
  fi
  # The first line of each stretch of work and the last one are enough to see it move.
  if ! NINJA_STATUS='[%f/%t] ' cmake --build --preset "$preset" 2>&1 | tee -a "$log" |
    awk '/^\[[0-9]+\/[0-9]+\] / { if (NR % 40 == 1) print $1; last = $1; fflush() }
         END { if (last != "") print last }'; then
    grep -A 30 -m 3 -E '^FAILED|error:' "$log" || tail -n 30 "$log"
    echo "run.sh: build/$preset did not build; all it said is in $log" >&2
    exit 1
  fi
}

# Tests of what may never happen, however busy the machine is: a single failure is a finding.
never=':(sim_|Crash|integration[.](chaos|order|restart|backup|soak))'

# run_tests PRESET CTEST-OPTION...: what fails is tried once more, with the machine for itself. The
# summary names it all the same.
run_tests() {
  local preset=$1
  shift
  say "testing '$preset'"
  results+=("build/$preset/results.xml")
  rm -f "build/$preset/again.xml"
  local failed=build/$preset/Testing/Temporary/LastTestsFailed.log
  rm -f "$failed"
  # Many tests wait for most of their time.
  ctest --preset "$preset" --parallel "$(($(nproc) * 3 / 2))" --output-junit results.xml "$@" &&
    return
  [[ -e $failed ]] || return 0
  # By their numbers: with --rerun-failed ctest 3.25 takes -E for something else.
  local numbers
  numbers=$(awk -F: -v never="$never" '$0 !~ never { print $1 }' "$failed" | paste -sd,)
  [[ -n $numbers ]] || return 0
  say 'once more, one at a time: what failed'
  ctest --preset "$preset" -I "0,0,0,$numbers" --output-junit again.xml || true
}

say 'packages'
deploy/install-packages.sh
build default
run_tests default "${quick[@]}" "$@"

for preset in "${sanitizers[@]}"; do
  build "$preset"
  run_tests "$preset" -LE slow "$@"
done

if [[ -n $tidy ]]; then
  say 'clang-tidy'
  tests/tidy/clang_tidy.sh || failures+=('clang-tidy')
fi

say 'done'
if [[ ${#failures[@]} -gt 0 ]]; then
  printf 'FAILED: %s\n' "${failures[@]}"
fi
tests/support/summary.py "${results[@]}" || failures+=(tests)
[[ ${#failures[@]} -eq 0 ]]
