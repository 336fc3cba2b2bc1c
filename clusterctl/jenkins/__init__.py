"""The pure part of the Jenkins tier: what fits together, what a master is given, what its home holds."""
