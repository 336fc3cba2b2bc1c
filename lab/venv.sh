#!/bin/bash
# Makes the Python environment with clusterctl (editable) and the development tools; its file .installed says when.
# usage: venv.sh DIRECTORY
set -euo pipefail
venv=$1
# Another make may be at it in this tree: two installations at once break each other, and a second one after the first
# would take the package away from the tests that have begun
exec 9> "$venv.lock"
flock 9
[ "$venv/.installed" -nt pyproject.toml ] && exit
if ! /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; then
  [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit)" ] || apt-get -o DPkg::Lock::Timeout=900 -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=900 -qq install -y --no-install-recommends \
    python3 python3-venv < /dev/null
fi
[ -x "$venv/bin/pip" ] || /usr/bin/python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -e '.[dev]' 2> >(grep -v '^WARNING: Location' >&2)
touch "$venv/.installed"
