"""Backups of what a cluster holds."""
