"""Day 2: the inventory, ``configure``, ``run``."""
