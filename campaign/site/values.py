"""A value of one setting from its text."""

from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from campaign import variables
from campaign.errors import WrongValueError
from campaign.settings import Settings


def parsed(name: str, text: str) -> object:
    """The value of one setting from its text, by the rules of its variable.

    Raises:
        WrongValueError: it is wrong; the text is the end of a sentence ("must be at least 1").
    """
    info = Settings.model_fields[name]
    try:
        kind: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        found: object = TypeAdapter(kind).validate_python(text.strip())
    except ValidationError as error:
        raise WrongValueError(variables.predicate(error)) from None
    return found
