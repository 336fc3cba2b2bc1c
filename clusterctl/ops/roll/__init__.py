"""Rolling operations: ``restart``, ``reconfigure``, and what ``upgrade`` shares with them."""
