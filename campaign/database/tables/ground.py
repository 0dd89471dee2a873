"""What all tables share: names of constraints, native enums, column types."""

from sqlalchemy import Column, DateTime, Enum, MetaData, func

from campaign.states import (
    BulkActState,
    CameBack,
    Lane,
    MessageKind,
    MessageState,
    PetitionState,
    RequestKind,
    RequestState,
    SignatureState,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SIGNATURE_BLOCK = 32
"""Signature ids are handed out in blocks: a process knows the id before the row, for the AAD of its fields."""

MOMENT = DateTime(timezone=True)
"""The type of every column that holds a moment."""


def native_enum(kind: type, name: str) -> Enum:
    """A native enum: it takes 4 bytes a row, reads well in psql, and refuses a typo."""
    return Enum(
        kind, name=name, values_callable=lambda members: [member.value for member in members], metadata=metadata
    )


petition_state = native_enum(PetitionState, "petition_state")
signature_state = native_enum(SignatureState, "signature_state")
message_state = native_enum(MessageState, "message_state")
message_kind = native_enum(MessageKind, "message_kind")
lane_name = native_enum(Lane, "lane_name")
came_back = native_enum(CameBack, "came_back")
bulk_act_state = native_enum(BulkActState, "bulk_act_state")
request_kind = native_enum(RequestKind, "request_kind")
request_state = native_enum(RequestState, "request_state")


def created_at() -> Column[object]:
    """The column that says when a row was inserted."""
    return Column("created_at", MOMENT, nullable=False, server_default=func.now())
