#!/bin/bash
# Installs what tests/contract/mesos needs beside the package itself (as root). Quick when all is there.
set -euo pipefail
mapfile -t packages < "$(dirname "$0")/depends.txt"
packages+=(libzookeeper-java openjdk-17-jre-headless iproute2)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing ${missing[*]}"
apt=(apt-get -o DPkg::Lock::Timeout=900 -qq)
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit)" ] || "${apt[@]}" update
DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}" < /dev/null
