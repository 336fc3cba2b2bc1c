"""Debian packages of the shape of Mesos' own: units, configuration and scripts that start daemons beside ours.

What is in them follows mesosphere/mesos-deb-packaging: `build_mesos` (which files), `debian/9/mesos.postinst` (systemd;
no shell is named and no error ends it, so the last command's status is dpkg's) and `debian/mesos.postinst` (init
scripts). The programs are those of the lab's package, so that a unit that starts is a daemon that serves.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

# Left behind by the units and scripts of these packages, whenever one of them starts
STARTED = "/var/lib/foreign-started"

UNIT = """\
[Unit]
Description=Mesos {name}
After=network.target
[Service]
ExecStart=/usr/bin/mesos-init-wrapper {name}
Restart=always
RestartSec=20
[Install]
WantedBy=multi-user.target
"""
INIT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $local_fs $network
# Required-Stop:     $local_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: {name}
### END INIT INFO
[ "$1" = start ] || exit 0
exec start-stop-daemon --start --background --startas /usr/bin/mesos-init-wrapper -- {argument}
"""
WRAPPER = f"""\
#!/bin/bash
mkdir -p {STARTED}
touch {STARTED}/$1
set -o allexport
. /etc/default/mesos
. /etc/default/mesos-$1
case $1 in
  master) exec /usr/sbin/mesos-master --zk=$ZK --quorum=$(cat /etc/mesos-master/quorum) --work_dir=/var/lib/mesos ;;
  slave) exec /usr/sbin/mesos-agent --master=$MASTER --work_dir=/var/lib/mesos --launcher=posix ;;
esac
"""
# As of Debian's zookeeperd and of Marathon's packages; here in the same file, which no unit minds
OTHERS = ("zookeeper", "marathon")
SYSTEMD_POSTINST = """\
ldconfig
for each in zookeeper marathon; do update-rc.d $each defaults; done
systemctl start mesos-master mesos-slave
systemctl enable mesos-master
systemctl enable mesos-slave
"""
INIT_POSTINST = """\
#!/bin/sh
set -e
update-rc.d mesos-master defaults
update-rc.d mesos-slave defaults
ldconfig
"""


def build(lab_package: Path, directory: Path, revision: int, *, systemd: bool) -> Mapping[str, str]:
    """Makes a package; version, path and digest of it, as roles take an artifact."""
    version = f"1.11.0-{revision}"
    root = directory / version
    subprocess.run(["dpkg-deb", "--raw-extract", lab_package, root], check=True)
    control = root / "DEBIAN" / "control"
    lines = [
        f"Version: {version}" if line.startswith("Version:") else line for line in control.read_text().splitlines()
    ]
    control.write_text("\n".join(lines) + "\n")
    (root / "usr/sbin/mesos-slave").symlink_to("mesos-agent")
    settings = {
        "etc/default/mesos": f"# revision {revision}\nULIMIT='-n 8192'\n",
        "etc/default/mesos-master": f"# revision {revision}\nPORT=5050\nZK=`cat /etc/mesos/zk`\n",
        "etc/default/mesos-slave": "MASTER=`cat /etc/mesos/zk`\n",
        "etc/mesos/zk": "zk://localhost:2181/mesos\n",
        "etc/mesos-master/quorum": "1\n",
        "etc/mesos-master/work_dir": "/var/lib/mesos\n",
        "etc/mesos-slave/work_dir": "/var/lib/mesos\n",
    }
    scripts = {f"etc/init.d/{name}": INIT.format(name=name, argument="master") for name in OTHERS}
    units: dict[str, str] = {}
    if systemd:
        units = {f"lib/systemd/system/mesos-{name}.service": UNIT.format(name=name) for name in ("master", "slave")}
    else:
        scripts |= {
            f"etc/init.d/mesos-{name}": INIT.format(name=f"mesos-{name}", argument=name) for name in ("master", "slave")
        }
    postinst = {"DEBIAN/postinst": SYSTEMD_POSTINST if systemd else INIT_POSTINST}
    conffiles = {"DEBIAN/conffiles": "".join(f"/{path}\n" for path in (*settings, *scripts))}
    programs = {**scripts, **postinst, "usr/bin/mesos-init-wrapper": WRAPPER}
    for path, text in {**settings, **units, **conffiles, **programs}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755 if path in programs else 0o644)
    target = directory / f"mesos_{version}_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, target], check=True)
    return {"version": version, "src": str(target), "sha256": hashlib.sha256(target.read_bytes()).hexdigest()}
