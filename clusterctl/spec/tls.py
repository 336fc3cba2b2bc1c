"""Section ``tls``: libprocess with TLS, for packages of Mesos that were built with SSL. Not shown in the lab.

Names of variables: Mesos' documentation "SSL in Mesos". Masters, agents and Marathon, whose libmesos speaks libprocess,
have the same ones.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from clusterctl.spec.types import AbsolutePath, StrictModel, rule_error


class TlsSettings(StrictModel):
    """Files on the nodes, which you put there (an image of your own, or `clusterctl run`): none is in user-data."""

    key: AbsolutePath = Field(description="of the node's private key, PEM; readable for root, mesos and marathon only")
    certificate: AbsolutePath = Field(description="of its certificate, PEM, which names the node's address")
    ca: AbsolutePath = Field(description="of the certificate by which those of the others are checked, PEM")

    @model_validator(mode="after")
    def _three(self) -> TlsSettings:
        seen: set[str] = set()
        for name in ("key", "certificate", "ca"):
            if (path := getattr(self, name)) in seen:
                raise rule_error("tls", f"found {path!r}, which another key names; allowed: a file of its own", (name,))
            seen.add(path)
        return self

    def lines(self) -> list[str]:
        """Of environment files.

        Connections without TLS are still taken: clusterctl's own questions are such, and so are those of browsers and
        Jenkins masters.
        """
        return [
            "LIBPROCESS_SSL_ENABLED=1",
            "LIBPROCESS_SSL_SUPPORT_DOWNGRADE=1",
            f"LIBPROCESS_SSL_KEY_FILE={self.key}",
            f"LIBPROCESS_SSL_CERT_FILE={self.certificate}",
            f"LIBPROCESS_SSL_CA_FILE={self.ca}",
            "LIBPROCESS_SSL_VERIFY_SERVER_CERT=1",
            "LIBPROCESS_SSL_REQUIRE_CLIENT_CERT=1",
            "LIBPROCESS_SSL_HOSTNAME_VALIDATION_SCHEME=openssl",
        ]
