"""Whether the services serve: one probe script that runs on a node, and pure checks of what it found."""
