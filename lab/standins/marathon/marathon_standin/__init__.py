"""A stand-in for Marathon 1.11: a small, real Mesos framework with Marathon's flags, files and REST API."""
