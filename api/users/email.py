"""Email addresses as they are stored."""

from email_validator import EmailNotValidError, validate_email


def checked_email(email: str) -> str:
    """An address as it is stored; whether it receives mail is not asked. Raises ValueError, not repeating it."""
    try:
        return validate_email(email, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise ValueError("this email address is not valid") from error
