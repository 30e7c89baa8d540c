"""What can go wrong on the path, as two questions: will waiting help, and is the input to blame?

Error
├── Transient   waiting may help: retry in place, lose nothing
└── Poison      this input will never pass: set it aside with its reason, go on
"""


class Error(Exception):
    """The root of every error that the path raises on purpose."""


class Transient(Error):
    """A store or broker did not answer, or not in time; the same call may succeed later."""


class Poison(Error):
    """This input can never be processed.

    `reason` is a stable machine word (it ends up in the rejections), the message says the rest to a person.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
