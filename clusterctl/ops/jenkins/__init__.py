"""The verbs of the Jenkins tier: masters made, looked at, stopped, moved, backed up."""
