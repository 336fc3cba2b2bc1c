"""Public host keys made for the tests; nobody has the private ones."""

from __future__ import annotations

from clusterctl.ssh.console import HostKey, proof_of

ED25519 = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIMrbzysqzzXdfaWRYMw8Bucsh6WrA8EztunGgxJuSlD/")
ECDSA = HostKey(
    "ecdsa-sha2-nistp256",
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDtA/de9Yb/DZquz3xXkPthhtdKQau00EkflTqSIygcx8ntyyN0pK3lC"
    "oPZSS93FJlIOaOFqMfz4eJWSJNLo1Ow=",
)
RSA = HostKey(
    "ssh-rsa",
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQCwSlWurUzSYVVUFwKWfAhoWR6HtkjPckH3ey+d+iu/QJyFbEeeefFBq4ZYcdN26M7jf1rZo/7G27JW"
    "wIii+l3MaljdMIomlAE4QoZbFVhBARNKu+gHdpRNlCr7pByLFu2E4bMVfuXBQsF4eCHjMbXV9IDJ2mQeGB1p31x+yKBHtRayj6cnhunWxtZx"
    "2Ury6FdSixBkLMsv/lsSqvsPH3kp1hDTURBfM62Q4hJ4s56AFOUyvjiaCjvcHfjXLuFqfDs2V6+zDY23FBg4614RnRY9mnv1uU5jc6RB2lnR"
    "NLXuM2BxX3NjLWg8shyb3TeWrX2POZWxVwyqHvgf8cNsen71",
)


NONCE = "0123456789abcdef" * 2
PROOF = proof_of(NONCE)


def said(text: str, nonce: str = NONCE) -> str:
    """A line of a node, as it stands on its console."""
    return f"clusterctl {nonce}: {text}"


def key_line(key: HostKey, nonce: str = NONCE) -> str:
    """The line that a node prints for its key."""
    return said(f"hostkey {key.type} {key.base64}", nonce)
