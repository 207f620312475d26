#!/usr/bin/env bash
# Runs clang-tidy with the tree's .clang-tidy.
#
#   tests/tidy/clang_tidy.sh           what has no gRPC, without tests: some minutes
#   tests/tidy/clang_tidy.sh --all     everything: some 20 minutes on two cores
#   tests/tidy/clang_tidy.sh FILE...   these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=build/tidy
grpc=ON
generated=(treadle_storage_proto treadle_proto)
if [[ $# -eq 0 ]]; then
  build=build/tidy-without-grpc
  grpc=OFF
  generated=(treadle_storage_proto)
fi
mkdir -p build
# Without precompiled headers: clang cannot read g++'s. Of the build it needs the generated headers.
if ! cmake -S . -B $build -G Ninja -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DTREADLE_GRPC=$grpc \
  >build/tidy.log 2>&1 || ! cmake --build $build --target "${generated[@]}" \
  >>build/tidy.log 2>&1; then
  tail -n 20 build/tidy.log
  echo "clang_tidy.sh: $build could not be made; all that was said is in build/tidy.log" >&2
  exit 1
fi

case ${1:-} in
  '' | --all)
    mapfile -t files < <(sed -nE "s|^ *\"file\": \"$PWD/([^\"]+)\".*|\1|p" \
      $build/compile_commands.json | grep -v "^build/" | sort -u)
    ;;
  *) files=("$@") ;;
esac
if [[ $# -eq 0 ]]; then
  mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -v '^tests/')
fi

echo "clang-tidy: ${#files[@]} files"
# The counts of warnings in system headers, which it prints for each file, help nobody.
if ! printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy -quiet -p $build \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-unused-command-line-argument \
  2> >(grep -v 'warnings generated\.$' >&2); then
  echo "clang-tidy: see above; to run one again: tests/tidy/clang_tidy.sh FILE" >&2
  exit 1
fi
