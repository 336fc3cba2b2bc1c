"""A stand-in for Jenkins with its Mesos plugin, for the lab. It is not Jenkins and shares no code with it."""
