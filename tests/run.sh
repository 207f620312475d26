#!/usr/bin/env bash
# Builds Treadle and runs its tests, from a machine with nothing installed on.
#
#   tests/run.sh                all tests, once
#   tests/run.sh --quick        without those labelled "slow"
#   tests/run.sh --sanitizers   then also a bounded share under ASAN, UBSAN and TSAN, and clang-tidy
#   tests/run.sh -- -R order    what follows -- goes to ctest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=()
sanitizers=
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) quick=(-LE slow) ;;
    --sanitizers) sanitizers=1 ;;
    --) shift; break ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) echo "run.sh: unknown option '$1' (--help lists them)" >&2; exit 2 ;;
  esac
  shift
done

started=$SECONDS
say() { printf '\n== %s (%d min %02d s)\n' "$1" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)); }
failures=()

# build PRESET [TARGET...]: quiet but for a line now and then, and for what went wrong.
build() {
  local preset=$1 log=build/$1.log
  shift
  mkdir -p build
  say "building '$preset'"
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    tail -n 30 "$log"
    echo "run.sh: cmake could not configure build/$preset; all it said is in $log" >&2
    exit 1
  fi
  if ! NINJA_STATUS='[%f/%t] ' cmake --build --preset "$preset" ${1:+--target "$@"} >"$log" 2>&1; then
    grep -A 30 -m 3 -E '^FAILED|error:' "$log" || tail -n 30 "$log"
    echo "run.sh: build/$preset did not build; all it said is in $log" >&2
    exit 1
  fi
}

# run_tests PRESET CTEST-OPTION...
run_tests() {
  local preset=$1
  shift
  say "testing '$preset'"
  ctest --preset "$preset" --parallel "$(nproc)" --output-junit results.xml "$@" ||
    failures+=("tests of $preset")
}

say 'packages'
deploy/install-packages.sh
build default
run_tests default "${quick[@]}" "$@"

if [[ -n $sanitizers ]]; then
  build tsan
  run_tests tsan "${quick[@]}" "$@"
  build asan
  run_tests asan "${quick[@]}" "$@"
  say 'clang-tidy'
  tests/tidy/clang_tidy.sh || failures+=(clang-tidy)
fi

say 'done'
# Sums of all ctest runs: its attributes are tests, failures, disabled, skipped.
results=(build/default/results.xml)
[[ -n $sanitizers ]] && results+=(build/tsan/results.xml build/asan/results.xml)
count() { sed -nE "s/^[[:space:]]*$1=\"([0-9]+)\".*/\1/p" "${results[@]}" | awk '{ sum += $1 } END { print sum + 0 }'; }
failed=$(count failures)
skipped=$(count skipped)
echo "$(($(count tests) - failed - skipped)) passed, $failed failed, $skipped skipped"
if [[ ${#failures[@]} -gt 0 ]]; then
  printf 'FAILED: %s\n' "${failures[@]}"
  exit 1
fi
