"""Email addresses as they are stored."""

from email_validator import EmailNotValidError, validate_email


def checked_email(email: str) -> str:
    """An address as it is stored. Raises ValueError for one that cannot be; whether it receives mail is not asked."""
    try:
        return validate_email(email, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise ValueError(f"the email address {email!r} is not valid: {error}") from error
