"""Closing a cluster that serves: ``secure``."""
