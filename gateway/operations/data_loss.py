"""What a file's answer says of bytes that are lost or damaged."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from strongroom.metadata.v1.file_pb2 import DATA_LOSS_CORRUPT, DATA_LOSS_LOST, DataLoss

Word: TypeAlias = Literal["lost", "corrupt"]
LossField: TypeAlias = Annotated[
    Word,
    Field(
        description="Only of a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the object"
        " store: reading it is OBJECT_LOST."
    ),
]
WORDS: Final[dict[DataLoss.ValueType, Word]] = {DATA_LOSS_LOST: "lost", DATA_LOSS_CORRUPT: "corrupt"}
