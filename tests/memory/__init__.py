"""A cloud in memory that can fail, or kill the process, at any call."""
