#!/bin/bash
# Installs what tests/contract/jenkins needs: the stand-in's packages and those of the Mesos tests (as root).
set -euo pipefail
here=$(dirname "$0")
"$here/../../mesos/test-deps.sh"
mapfile -t packages < <(cat "$here/depends.txt" "$here/build-depends.txt")
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=900 -qq install -y --no-install-recommends \
    "$package" < /dev/null
done
