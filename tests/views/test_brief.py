"""A short memory never makes a crowd wait for what one of them is making."""

from campaign.views.page_cache import Brief


def test_while_a_value_is_made_anew_others_get_the_last_one():
    now, made, seen = [0.0], [], []
    memory = Brief(1.0, lambda: now[0])

    def make() -> int:
        if made:
            seen.append(memory.get("page", make))
        made.append(len(made))
        return made[-1]

    first = memory.get("page", make)
    now[0] = 1.0
    second = memory.get("page", make)

    assert (first, seen, second) == (0, [0], 1)


def test_a_value_that_is_too_old_is_given_to_nobody():
    now = [0.0]
    memory = Brief(1.0, lambda: now[0])
    memory.get("page", lambda: "old")
    now[0] = 2.0
    seen = []

    def make() -> str:
        seen.append(memory.get("page", lambda: "made meanwhile"))
        return "new"

    assert memory.get("page", make) == "new"
    assert seen == ["made meanwhile"]
