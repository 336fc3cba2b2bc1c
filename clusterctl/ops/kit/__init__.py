"""What every command has: the way to nodes, the lock, progress, waiting, parallel calls."""
