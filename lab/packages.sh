#!/bin/bash
# Installs what the lab needs on a bare Debian 12 machine (as root). Quick when all is there.
set -euo pipefail
packages=(mmdebstrap systemd-container extlinux syslinux-common qemu-utils e2fsprogs xfsprogs fdisk iproute2 iptables
  openssh-client git
  lxc netcat-openbsd apt-utils)  # these for lab/hosts
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing ${missing[*]}"
apt=(apt-get -o DPkg::Lock::Timeout=900 -qq)
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit)" ] || "${apt[@]}" update
DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}" < /dev/null
