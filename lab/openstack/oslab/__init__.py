"""The lab's driver: a real OpenStack in a container and network namespace of its own."""
