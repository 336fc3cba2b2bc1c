"""Role templates -> files of a node: at boot through cloud-init, the same as Ansible writes on day 2."""
