"""The command line: one module a verb; ``app`` is the only place that prints errors and exits."""
