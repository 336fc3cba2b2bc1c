"""Rolling operations: who is next, what must hold before and after, what is left (pure), and the loops over it."""
