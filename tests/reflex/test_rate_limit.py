"""A rate for what repeats: the first at once, the others counted and never lost."""

from remediator.reflex.rate_limit import RateLimit


def test_the_first_is_admitted_and_the_rest_is_counted() -> None:
    """One in each interval, with the number that it stands for."""
    limit: RateLimit[str] = RateLimit(interval=60)
    assert limit.admit("a", 0) == ("a", 1)
    assert [limit.admit("a", second) for second in (1, 30, 59)] == [None] * 3
    assert limit.admit("a", 60) == ("a", 4)
    assert limit.admit("b", 60) == ("b", 1)


def test_what_is_held_back_is_due_once_its_interval_is_over() -> None:
    """A burst that nothing follows is told as well, once."""
    limit: RateLimit[str] = RateLimit(interval=60)
    for _ in range(3):
        limit.admit("a", 0)
    assert limit.due(59) == []
    assert limit.due(60) == [("a", 2)]
    assert limit.due(600) == []


def test_a_burst_is_admitted_before_the_rate_holds() -> None:
    """Some at once, then one each interval, and after a rest the burst again."""
    limit: RateLimit[str] = RateLimit(interval=1, burst=3)
    assert [limit.admit("a", 0) is not None for _ in range(5)] == [True, True, True, False, False]
    assert limit.admit("a", 1) == ("a", 3)
    assert [limit.admit("a", 10) is not None for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_steps_back_opens_the_limit() -> None:
    """An hour back must not be an hour of silence."""
    limit: RateLimit[str] = RateLimit(interval=60)
    limit.admit("a", 3_600)
    assert limit.admit("a", 0) == ("a", 1)


def test_more_keys_than_there_may_be_share_one() -> None:
    """The number of keys is bounded; what is quiet makes room, what is not keeps its place."""
    limit: RateLimit[str] = RateLimit(interval=60, max_keys=2)
    for key in ("a", "b"):
        limit.admit(key, 0)
    assert limit.admit("c", 0, otherwise="others") == ("others", 1)
    assert limit.admit("d", 1, otherwise="others") is None
    assert limit.due(60) == [("others", 1)]
    assert limit.admit("e", 61, otherwise="others") == ("e", 1)
