"""Making and removing a cluster: ``create``, ``plan``, ``destroy``."""
