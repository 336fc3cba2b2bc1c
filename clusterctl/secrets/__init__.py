"""One key, and every secret of a cluster derived from it; pure but for ``sources``.

Nothing here is ever printed, logged or put into user-data: see ``secret.Secret``.
"""
