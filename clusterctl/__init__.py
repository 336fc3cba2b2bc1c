"""clusterctl: ZooKeeper, Mesos, Marathon and Jenkins clusters on OpenStack from one YAML file."""
