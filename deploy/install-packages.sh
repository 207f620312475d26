#!/usr/bin/env bash
# Installs the Debian packages of deploy/packages.txt that are missing. Takes a fraction of a second
# when all are there.
#
#   deploy/install-packages.sh build    what a build needs
#   deploy/install-packages.sh          that, and what the tests and checks need
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scope=${1:-all}
case $scope in
  build | all) ;;
  *) echo "install-packages.sh: '$scope' is neither 'build' nor 'all'" >&2; exit 2 ;;
esac

[[ ${TREADLE_SKIP_PACKAGES:-} == 1 ]] && exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install-packages.sh: this is not a Debian system: install what deploy/packages.txt lists" \
       "by hand (it names Debian 12's packages), then set TREADLE_SKIP_PACKAGES=1" >&2
  exit 1
fi

mapfile -t wanted < <(awk -v scope="$scope" '
  { sub(/#.*/, "") } NF == 0 { next } $2 == "test" && scope == "build" { next } { print $1 }
' "$here/packages.txt")

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null |
  awk '$1 == "ii" { print $2 }') || true
missing=()
for package in "${wanted[@]}"; do
  grep -qxF "$package" <<<"$installed" && continue
  # Node.js is often installed from elsewhere, npm included; Debian's would replace it.
  [[ $package == nodejs ]] && command -v node >/dev/null && continue
  [[ $package == npm ]] && command -v npm >/dev/null && continue
  missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install-packages.sh: these packages are missing and installing them needs root:" \
         "${missing[*]}. As root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run_apt() {
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" \
    </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    return 1
  fi
}

# Tests start Prometheus themselves: its package is not to do so, neither now nor at the next boot.
policy=/usr/sbin/policy-rc.d
unit=/etc/systemd/system/prometheus.service
keep_prometheus_stopped() {
  [[ " ${missing[*]} " == *" prometheus "* ]] || return 0
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$log"; "${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
  fi
  if [[ ! -e $unit && ! -L $unit ]]; then
    "${as_root[@]}" mkdir -p "${unit%/*}"
    "${as_root[@]}" ln -s /dev/null "$unit"
    echo "Prometheus is installed for the tests, not as a service; to have it as one:" \
      "systemctl unmask prometheus"
  fi
}

echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
keep_prometheus_stopped
run_apt update || echo "install-packages.sh: apt-get update failed; going on with the old lists" >&2
if ! run_apt install -y --no-install-recommends "${missing[@]}"; then
  echo "install-packages.sh: apt-get could not install the packages above: check the network and" \
       "/etc/apt/sources.list (Debian 12 main has all of them)" >&2
  exit 1
fi
