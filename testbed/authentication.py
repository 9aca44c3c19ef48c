"""Keys by which SuperNodes prove who they are to a SuperLink that knows their public halves. Made in memory.

Source of the form: Flower's SuperNode authentication (`flower-superlink --enable-supernode-auth`, `flower-supernode
--auth-supernode-private-key`, `flwr supernode register`): a NIST curve, in OpenSSH's formats; made by the
`cryptography` package.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperNodeKey:
    """OpenSSH texts: what a SuperNode keeps to itself, and what the SuperLink is told."""

    private: str
    public: str

    def __repr__(self) -> str:
        """Without the private half, wherever this is printed."""
        return f"SuperNodeKey({self.public!r})"


def new_supernode_key() -> SuperNodeKey:
    """A new key on the curve P-384."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return SuperNodeKey(private=private.decode("ascii"), public=public.decode("ascii"))
