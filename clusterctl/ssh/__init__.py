"""Access to nodes by OpenSSH's ``ssh``, with host keys pinned from the consoles."""
