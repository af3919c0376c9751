"""The schema of the annotations of core/ledger.py: types, bounds, and how texts are cleaned.

One rule: imported only if there is an annotation to read, and with pydantic_core alone, because importing all of
pydantic takes longer than an emergency command needs for its write.
"""

from datetime import UTC, datetime
from typing import Any

from pydantic_core import PydanticKnownError, SchemaValidator, ValidationError
from pydantic_core.core_schema import (
    CoreSchema,
    dataclass_args_schema,
    dataclass_field,
    dataclass_schema,
    datetime_schema,
    int_schema,
    literal_schema,
    no_info_after_validator_function,
    nullable_schema,
    str_schema,
    tuple_variable_schema,
    typed_dict_field,
    typed_dict_schema,
    with_default_schema,
)

from remediator.core.effects import Effect
from remediator.core.ledger import MAX_NAME, MAX_VALUE, Entry, KillSwitch, Pause
from remediator.core.problems import first_problem
from remediator.core.text import printable


def read_acts(text: str) -> tuple[Entry, ...]:
    """Parse the acts of a ledger's annotation, in its order. Raises ValueError, which names the first problem."""
    acts: tuple[Entry, ...] = _read(_LEDGER, text)["acts"]
    return acts


def read_pause(text: str) -> Pause:
    """Parse a pause. Raises ValueError, which names the first problem."""
    pause: Pause = _read(_PAUSE, text)
    return pause


def read_kill_switch(text: str) -> KillSwitch:
    """Parse a kill switch. Raises ValueError, which names the first problem."""
    switch: KillSwitch = _read(_KILL_SWITCH, text)
    return switch


def _read(schema: SchemaValidator, text: str) -> Any:
    try:
        return schema.validate_json(text)
    except ValidationError as error:
        raise ValueError(first_problem(error, "JSON")) from None


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside of the calendar") from None


def _to_the_second(time: datetime | None) -> datetime | None:
    return time and _in_utc(time).replace(microsecond=0)


def _unknown(effect: str) -> str:
    return effect if Effect.of(effect) != effect else ""


def _line(limit: int) -> CoreSchema:
    def check(text: str) -> str:
        if len(text) <= limit:
            return text
        raise PydanticKnownError("too_long", {"field_type": "Value", "max_length": limit, "actual_length": len(text)})

    return no_info_after_validator_function(check, _LINE)


def _or(default: object, schema: CoreSchema) -> CoreSchema:
    return with_default_schema(schema, default=default)


def _dataclass(kind: type[Any], **fields: CoreSchema | tuple[str, CoreSchema]) -> CoreSchema:
    """The schema of a dataclass; a field with another key in JSON is a pair of that key and its schema."""
    listed = [
        dataclass_field(name, form[1], validation_alias=form[0])
        if isinstance(form, tuple)
        else dataclass_field(name, form)
        for name, form in fields.items()
    ]
    return dataclass_schema(kind, dataclass_args_schema(kind.__name__, listed), list(fields), slots=True)


_TIME = datetime_schema(tz_constraint="aware")
_LINE = no_info_after_validator_function(printable, str_schema())
_NAME = str_schema(max_length=MAX_NAME)
_VALUE = int_schema(ge=0, le=MAX_VALUE)

_ENTRY = _dataclass(
    Entry,
    id=str_schema(),
    time=no_info_after_validator_function(_in_utc, _TIME),
    effect=no_info_after_validator_function(Effect.of, _NAME),
    unknown_effect=("effect", no_info_after_validator_function(_unknown, _NAME)),
    before=("from", nullable_schema(_VALUE)),
    after=("to", _VALUE),
    remediation=_or("", _LINE),
    operator=_or("", _LINE),
    reason=_or("", _LINE),
    because=_or("", _LINE),
    starts_at=("startsAt", _or(None, no_info_after_validator_function(_to_the_second, nullable_schema(_TIME)))),
    overrode=_or((), tuple_variable_schema(_LINE)),
    fingerprints=_or((), tuple_variable_schema(str_schema())),
)
_ACTS = _or((), tuple_variable_schema(_ENTRY))

_LEDGER = SchemaValidator(
    typed_dict_schema({"version": typed_dict_field(literal_schema([1])), "acts": typed_dict_field(_ACTS)})
)
_PAUSE = SchemaValidator(_dataclass(Pause, reason=_line(1024), author=_line(253), until=_TIME))
_KILL_SWITCH = SchemaValidator(
    _dataclass(
        KillSwitch,
        reason=_or("", _LINE),
        author=_or("", _LINE),
        since=_or(None, nullable_schema(_TIME)),
        replicas=_or(None, nullable_schema(int_schema())),
    )
)
