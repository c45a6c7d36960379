"""The member of a file's response that says whether its bytes are lost or damaged."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, cast

from pydantic import Field

from strongroom.enum_words import enum_word
from strongroom.metadata.v1.file_pb2 import DataLoss

Word: TypeAlias = Literal["lost", "corrupt"]
LossField: TypeAlias = Annotated[
    Word,
    Field(
        description=(
            "Only for a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the"
            " object store: reading it is OBJECT_LOST."
        )
    ),
]


def loss_word(loss: DataLoss.ValueType) -> Word:
    """As ``enum_word``, typed as the words of the shape that this release knows."""
    return cast("Word", enum_word(DataLoss.DESCRIPTOR, loss))
