"""Use cases, one a module. They raise; only ``cli.app`` prints errors and exits."""
