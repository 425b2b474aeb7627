"""What a run knows of the rows it has not yet in hand."""

from msilod.silo.runs.claim_cursor import ClaimCursor
from tests.silo.fake_daemon import row


def test_a_full_answer_means_that_there_may_be_more_behind_it() -> None:
    claims = ClaimCursor()
    assert claims.ask(2).after == 0
    claims.answered([row(4), row(9)])
    assert claims.may_have_more
    assert claims.ask(2).after == 9


def test_a_short_answer_means_that_there_are_no_more() -> None:
    claims = ClaimCursor()
    claims.ask(2)
    claims.answered([row(4)])
    assert not claims.may_have_more
    assert claims.asked == 0


def test_law7_an_offer_under_way_means_another_look_at_everything() -> None:
    claims = ClaimCursor()
    claims.ask(64)
    claims.look_again()
    claims.answered([row(4)])
    assert claims.may_have_more
    assert claims.ask(64).after == 0


def test_an_answer_that_does_not_go_forward_ends_the_claiming() -> None:
    claims = ClaimCursor()
    for _ in range(2):
        claims.ask(1)
        claims.answered([row(4)])
    assert not claims.may_have_more


def test_a_claim_without_sips_is_remembered_as_one_that_lacks_some() -> None:
    claims = ClaimCursor()
    assert not claims.lacks_sips
    assert not claims.ask(2, with_sips=False).with_sips
    assert not claims.lacks_sips, "not before it is answered"
    claims.answered([])
    assert claims.lacks_sips
    claims.ask(2)
    claims.answered([])
    assert not claims.lacks_sips
