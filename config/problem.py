"""What is wrong with this installation's settings, told to a person."""

from __future__ import annotations


class Problem(Exception):
    """Bad configuration: which file, which key, what is wrong, what to do.

    Same shape as campaigns.terms.Problem (the two floors know nothing of each other): `template` is the English
    sentence and gettext message id, `values` fill it; the face translates.
    """

    def __init__(self, template: str, /, **values: object) -> None:
        super().__init__(template, values)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        """The English sentence."""
        return self.template.format(**self.values)
