"""clusterctl: ZooKeeper, Mesos, Marathon and Jenkins clusters on OpenStack from one YAML file."""

__version__ = "0.1.0"
