"""The command line: a module for each family of verbs; ``app`` is the only place that prints errors and exits."""
