"""Functions that take personal data out of tables."""

import transom


@transom.function
def mask_email(email: str) -> str:
    """Hides who an e-mail address belongs to and keeps the domain: `ada@example.com` becomes `a***@example.com`."""
    name, at, domain = email.rpartition("@")
    if not at:
        raise ValueError("an e-mail address has an `@`")
    return name[:1] + "***@" + domain
