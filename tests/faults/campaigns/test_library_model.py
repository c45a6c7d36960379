"""Which observations the model of a library allows, and which it refuses."""

from __future__ import annotations

from tests.faults.campaigns.library import (
    Entry,
    Library,
    Trashed,
    copy,
    delete,
    delete_all,
    hold,
    move,
    purge,
    put,
    undelete,
)
from tests.faults.campaigns.possible import answered, refused, unanswered

ONE = Library((("a.bin", Entry(7, 3)),))
HELD = Library((("a.bin", Entry(7, 3, held=True)),))


def test_a_replacement_under_a_generation() -> None:
    assert answered([ONE], put("a.bin", 8, 3)) == {Library((("a.bin", Entry(8, 4)),))}
    assert answered([ONE], put("a.bin", 8, 2)) == answered([ONE], put("a.bin", 8, 0)) == set()
    assert refused([ONE], put("a.bin", 8, 2)) == {ONE}
    assert refused([ONE], put("a.bin", 8, None)) == set(), "a refusal that nothing explains"
    assert unanswered([ONE], put("a.bin", 8, None)) == {ONE, Library((("a.bin", Entry(8, 4)),))}


def test_a_move_has_been_done_or_not() -> None:
    moved, both = Library((("b.bin", Entry(7)),)), Library((("a.bin", Entry(7, 3)), ("b.bin", Entry(7))))
    assert answered([ONE], move("a.bin", "b.bin", replace=False)) == {moved}
    assert unanswered([ONE], move("a.bin", "b.bin", replace=False)) == {ONE, moved}
    assert answered([both], move("a.bin", "b.bin", replace=False)) == set()


def test_what_is_held_stays() -> None:
    changes = (
        put("a.bin", 8, None),
        delete("a.bin", soft=True),
        move("a.bin", "b.bin", replace=True),
        copy("b.bin", "a.bin"),
    )
    beside = HELD.placed("b.bin", Entry(1))
    assert [answered([beside], change) for change in changes] == [set()] * 4
    assert answered([HELD], hold("a.bin", held=False)) == {ONE}


def test_the_trash_gives_back_what_it_was_given() -> None:
    trashed = Trashed("a.bin", Entry(7, 3))
    (thrown,) = answered([ONE], delete("a.bin", soft=True))
    assert thrown == Library((), (trashed,))
    assert answered([thrown], undelete(trashed)) == {ONE}
    assert answered([thrown.placed("a.bin", Entry(8))], undelete(trashed)) == set(), "its place is taken"
    assert answered([thrown], purge(trashed)) == answered([ONE], delete("a.bin", soft=False)) == {Library()}


def test_of_several_each_goes_by_itself() -> None:
    two = ONE.placed("b.bin", Entry(1, held=True)).placed("c.bin", Entry(2))
    request = delete_all(("a.bin", "b.bin", "c.bin"), soft=False)
    assert answered([two], request) == {Library((("b.bin", Entry(1, held=True)),))}
    assert len(unanswered([two], request)) == 4, "neither, either, both"
