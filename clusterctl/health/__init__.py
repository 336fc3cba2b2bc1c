"""Pure: what a cluster should say of itself, and what it says -> checks; ``remote`` does the asking."""
