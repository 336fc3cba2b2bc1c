"""``upgrade``: another version of one component, or of all, node by node."""
