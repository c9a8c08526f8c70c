# SPDX-License-Identifier: Apache-2.0
"""Keyless signatures: Sigstore's public instance certifies who signs, and logs it (extra ``keyless``).

Signing takes a network and an identity token of the machine (GitHub Actions, GitLab CI, Google Cloud and others that
Sigstore's client finds). Verifying takes the trust root that came with the client, and no network.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from wardein.errors import UsageError, WardeinError, missing_extra

URI = "sigstore:"


@dataclass(frozen=True)
class Certified:
    """Whose keyless signatures count.

    Attributes:
        name: What people call this entry of the trust root.
        identity: The person or service that it stands for.
        roles: What its signatures may say.
        subject: Whom the certificate has to name: an email address, or the URI of a workflow.
        issuer: The OpenID Connect issuer that has to have said so.
    """

    name: str
    identity: str
    roles: tuple[str, ...]
    subject: str
    issuer: str

    def payload_of(self, bundle: bytes) -> tuple[str, bytes]:
        """The type and bytes of what a bundle's signature is over, if it holds and is by this subject.

        Raises:
            WardeinError: If it does not.
        """
        from sigstore.errors import Error
        from sigstore.models import Bundle
        from sigstore.verify import Verifier
        from sigstore.verify.policy import Identity

        try:
            verifier = Verifier.production(offline=True)
            wanted = Identity(identity=self.subject, issuer=self.issuer)
            return verifier.verify_dsse(Bundle.from_json(bundle), wanted)
        except (Error, ValueError) as error:
            raise WardeinError(f"is not a keyless signature of {self.name}: {str(error)[:200]}") from None
        except (
            Exception
        ) as error:  # hostile entries and certificates make the client's parsers raise whatever they raise
            raise WardeinError(f"cannot be read as a keyless signature ({type(error).__name__})") from None


def check_installed() -> None:
    """Find out that nothing can be verified here, which says nothing of any signature.

    Raises:
        WardeinError: If Sigstore's client is not installed.
    """
    if find_spec("sigstore") is None:
        raise missing_extra("sigstore", "keyless")
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # that it asks nobody is as it should be


def sign(statement: bytes) -> bytes:
    """The bundle over an in-toto statement, by whom this machine's identity token names.

    Raises:
        UsageError: If there is no identity token.
        WardeinError: If the client is not installed, or Sigstore cannot be reached or refuses.
    """
    check_installed()
    from sigstore.dsse import Statement
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken, detect_credential
    from sigstore.sign import SigningContext

    try:
        token = detect_credential()
    except Exception as error:  # the client of each cloud has errors of its own
        raise _refused(error) from None
    if token is None:
        mend = "run it where there is one, as in GitHub Actions with `id-token: write`, or sign with a key"
        raise UsageError("this machine has no identity token for it", where="Sigstore", mend=mend)
    try:
        context: Any = SigningContext.from_trust_config(ClientTrustConfig.production())
        with context.signer(IdentityToken(token)) as signer:
            return str(signer.sign_dsse(Statement(statement)).to_json()).encode() + b"\n"
    except (Error, OSError, ValueError) as error:
        raise _refused(error) from None


def _refused(error: Exception) -> WardeinError:
    mend = "check that this machine reaches Sigstore's public instance"
    return WardeinError(f"could not sign ({type(error).__name__})", where="Sigstore", mend=mend)
