"""Real systemd test hosts for Molecule and the cloud-init test: LXC on overlayfs, without Docker, registry or VM."""
