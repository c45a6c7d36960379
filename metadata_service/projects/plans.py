"""How statements over all files of a project are planned.

They join tables that hold a save for a moment (`project_save_files`, open blobs): as a rule the planner's
statistics say that these are empty, whatever they hold now. A nested loop that is right for one row compares
5,000 files with 5,000 files, and ends by the statement's time limit. Hash joins are right for any number.
"""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import Statement

#: Until the end of the transaction; goes before statements that join what a save has staged.
HASH_JOINS: Final[Statement] = ("SELECT set_config('enable_nestloop', 'off', true)", ())
