"""Growing, shrinking, repairing: ``scale``, ``replace``, ``repair``."""
