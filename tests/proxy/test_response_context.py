"""The response context, RFC 3261 §16.7 to §16.10 (rows P8, P9, P10, P11, X5)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msilod.proxy.response_context import MAX_CHALLENGES, ResponseContext, Step, best_response
from msilod.sip.uri import SipUri
from tests.proxy.wire import request, response


def context(*branches: str, method: str = "INVITE") -> ResponseContext[str]:
    made: ResponseContext[str] = ResponseContext(request(method))
    for branch in branches:
        assert made.add_branch(branch, f"sip:{branch}@192.0.2.9")
    return made


def status_of(step: Step[str]) -> int:
    """The status of the upstream answer (of a branch or of the proxy); 0 for no answer."""
    return step.forward.status if step.forward is not None else step.answer


# --- best_response -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((404, 603), 603), ((604, 486), 604), ((486, 404), 486), ((404, 486), 404), ((500, 404), 404),
        ((404, 407), 407), ((480, 415), 415), ((484, 420, 415, 407, 401), 401), ((484, 404), 484), ((503,), 500),
        ((503, 504), 504), ((503, 404), 404), ((302, 404), 302), ((503, 503), 500), ((408, 404), 408),
    ],
)  # fmt: skip
def test_p8_the_best_response_is_chosen(statuses: tuple[int, ...], best: int) -> None:
    assert best_response([response(status) for status in statuses]).status == best


def test_p8_a_lone_503_is_500_without_its_retry_after() -> None:
    given = response(503, retry_after="7")
    best = best_response([given])
    assert (best.status, best.reason, b"retry-after" in best.headers) == (
        500,
        b"Server Internal Error",
        False,
    )
    assert (given.status, b"retry-after" in given.headers) == (503, True), "what was received is not touched"


def test_p8_p9_challenges_are_merged_in_order() -> None:
    first, second, third = response(404), response(401, www_authenticate="Digest one"), response(407)
    third.headers.add(b"Proxy-Authenticate", b"Digest two")
    third.headers.add(b"WWW-Authenticate", b"Digest three")
    third.headers.add(b"Proxy-Authenticate", b"Digest four")
    best = best_response([third, first, second])
    assert best.status == 401
    assert best.headers.get_all(b"www-authenticate") == [b"Digest one", b"Digest three"]
    assert best.headers.get_all(b"proxy-authenticate") == [b"Digest two", b"Digest four"]
    assert second.headers.get_all(b"www-authenticate") == [b"Digest one"], "what was received is not touched"


def test_p8_challenges_are_added_only_to_a_challenge() -> None:
    best = best_response([response(603), response(401, www_authenticate="Digest one")])
    assert best.status == 603
    assert b"www-authenticate" not in best.headers


def test_p8_a_device_cannot_fill_the_answer_with_challenges() -> None:
    flood = response(401)
    for number in range(200):
        flood.headers.add(b"WWW-Authenticate", b"Digest %d" % number)
    best = best_response([response(401, www_authenticate="Digest x"), flood])
    assert len(best.headers.get_all(b"www-authenticate")) == 1 + MAX_CHALLENGES


def test_x5_a_408_to_a_non_invite_is_the_last_choice() -> None:
    assert best_response([response(408, "MESSAGE"), response(500, "MESSAGE")]).status == 500
    assert best_response([response(408), response(500)]).status == 408


# --- one branch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [180, 183, 199])
def test_p8_provisional_answers_to_an_invite_go_back_at_once(status: int) -> None:
    ringing = response(status)
    assert context("a").provisional("a", ringing) == Step(forward=ringing)


def test_p8_a_100_is_not_relayed() -> None:
    assert context("a").provisional("a", response(100)) == Step()


def test_p8_x4_a_non_invite_has_no_provisional_answers() -> None:
    assert context("a", method="MESSAGE").provisional("a", response(180, "MESSAGE")) == Step()


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_p8_a_2xx_goes_back_at_once(method: str) -> None:
    good = response(202, method)
    made = context("a", method=method)
    assert made.final("a", good) == Step(forward=good, is_over=True)
    assert [(end.branch, end.status, end.response) for end in made.finals] == [("a", 202, good)]


def test_p8_the_failure_of_a_single_branch_goes_back_unchanged() -> None:
    busy = response(486)
    assert context("a").final("a", busy) == Step(forward=busy, is_over=True)


def test_x5_a_timeout_is_408_to_an_invite_and_no_answer_to_others() -> None:
    assert context("a").timed_out("a") == Step(answer=408, is_over=True)
    assert context("a", method="MESSAGE").timed_out("a") == Step(is_over=True)


def test_x5_a_408_from_a_device_to_a_non_invite_is_not_passed_on() -> None:
    assert context("a", method="INFO").final("a", response(408, "INFO")) == Step(is_over=True)
    assert status_of(context("a").final("a", response(408))) == 408


@pytest.mark.parametrize("method", ["INVITE", "INFO"])
def test_p11_a_transport_error_counts_as_503_and_goes_back_as_500(method: str) -> None:
    made = context("a", method=method)
    assert made.transport_failed("a") == Step(answer=500, is_over=True)
    assert [end.status for end in made.finals] == [503]


# --- forks -------------------------------------------------------------------------------------------


def test_p8_after_the_last_branch_the_best_answer_goes_back() -> None:
    made = context("a", "b", "c")
    assert made.final("a", response(404)) == Step()
    assert made.final("b", response(407, proxy_authenticate="Digest x")) == Step()
    assert made.pending == ["c"]
    step = made.final("c", response(500))
    assert (status_of(step), step.is_over) == (407, True)
    assert [end.status for end in made.finals] == [404, 407, 500]


def test_p8_the_first_2xx_cancels_ringing_branches_and_later_2xx_go_back() -> None:
    made = context("a", "b", "c")
    made.final("a", response(404))
    step = made.final("b", response(200))
    assert (status_of(step), step.cancel, step.is_over) == (200, ("c",), False)
    late = response(200)
    assert made.final("c", late) == Step(forward=late, is_over=True)
    assert made.final("b", late) == Step(forward=late, is_over=True), "a 2xx again, until its ACK comes"


def test_p8_after_a_2xx_no_other_answer_goes_back() -> None:
    made = context("a", "b")
    made.final("a", response(200))
    assert made.provisional("b", response(180)) == Step()
    assert made.final("b", response(487)) == Step(is_over=True)


def test_p8_a_non_invite_gets_one_2xx_and_no_cancel() -> None:
    made = context("a", "b", method="MESSAGE")
    step = made.final("a", response(200, "MESSAGE"))
    assert (status_of(step), step.cancel) == (200, ())
    assert made.final("b", response(202, "MESSAGE")) == Step(is_over=True)
    assert [end.status for end in made.finals] == [200, 202], "the silo hears of both"


def test_p8_a_6xx_cancels_the_others_and_waits_for_them() -> None:
    made = context("a", "b", "c")
    step = made.final("a", response(603))
    assert (status_of(step), step.cancel, step.is_over) == (0, ("b", "c"), False)
    assert not made.add_branch("d", "sip:d@192.0.2.9"), "no new branches"
    assert made.final("b", response(487)) == Step()
    assert status_of(made.final("c", response(487))) == 603


def test_p8_a_2xx_after_a_6xx_wins() -> None:
    made = context("a", "b")
    made.final("a", response(603))
    assert status_of(made.final("b", response(200))) == 200


def test_p8_a_6xx_to_a_non_invite_waits_without_cancel() -> None:
    made = context("a", "b", method="MESSAGE")
    assert made.final("a", response(603, "MESSAGE")) == Step()
    assert status_of(made.timed_out("b")) == 603


def test_p8_an_answer_is_preferred_to_a_timeout_and_to_a_transport_error() -> None:
    made = context("a", "b", "c")
    made.transport_failed("a")
    made.timed_out("b")
    assert status_of(made.final("c", response(404))) == 404
    made = context("a", "b")
    made.transport_failed("a")
    assert status_of(made.final("b", response(503))) == 500


def test_p8_x6_a_late_answer_replaces_the_timeout_of_its_branch() -> None:
    made = context("a", "b")
    assert made.timed_out("a") == Step()
    late = response(200)
    step = made.final("a", late)
    assert (step.forward, step.cancel) == (late, ("b",))
    assert [(end.branch, end.status) for end in made.finals] == [("a", 200)]


def test_p8_a_late_failure_changes_the_best() -> None:
    made = context("a", "b")
    made.timed_out("a")
    assert made.final("a", response(603)) == Step(cancel=("b",))
    assert status_of(made.final("b", response(487))) == 603


def test_a_branch_ends_only_once() -> None:
    made = context("a", "b")
    made.final("a", response(404))
    assert made.final("a", response(603)) == Step()
    assert made.timed_out("a") == Step()
    assert made.timed_out("stranger") == Step()
    assert [(end.branch, end.status) for end in made.finals] == [("a", 404)]
    assert made.pending == ["b"]


def test_after_the_decision_a_late_answer_is_only_recorded() -> None:
    made = context("a")
    made.timed_out("a")
    assert made.final("a", response(486)) == Step(is_over=True)
    assert [end.status for end in made.finals] == [486]


# --- CANCEL and Timer C ------------------------------------------------------------------------------


def test_p12_a_cancel_from_upstream_cancels_pending_branches() -> None:
    made = context("a", "b")
    made.final("a", response(404))
    assert made.cancelled() == Step(cancel=("b",))
    assert not made.add_branch("c", "sip:c@192.0.2.9")
    assert status_of(made.final("b", response(487))) == 404, "§16.7 step 6: any 4xx may be chosen"


def test_p12_a_cancelled_invite_without_any_answer_is_487() -> None:
    made = context("a")
    made.cancelled()
    assert made.timed_out("a") == Step(answer=487, is_over=True)


def test_p12_a_cancel_before_the_first_branch_is_487_and_starts_no_branch() -> None:
    made = context()
    assert made.cancelled() == Step(answer=487, is_over=True)
    assert not made.add_branch("a", "sip:a@192.0.2.9")
    assert made.cancelled() == Step()


def test_p10_timer_c_cancels_ringing_branches_and_ends_silent_ones() -> None:
    made = context("a", "b")
    made.provisional("a", response(180))
    assert made.timer_c("a") == Step(cancel=("a",))
    assert made.timer_c("b") == Step()
    assert made.pending == ["a"]
    assert status_of(made.final("a", response(487))) == 487
    assert made.timer_c("a") == Step()


def test_p10_a_100_does_not_count_as_ringing() -> None:
    made = context("a")
    made.provisional("a", response(100))
    assert made.timer_c("a") == Step(answer=408, is_over=True)


def test_p10_timer_c_is_for_invites_only() -> None:
    made = context("a", method="INFO")
    made.provisional("a", response(180, "INFO"))
    assert made.timer_c("a") == Step(is_over=True)


# --- redirections ------------------------------------------------------------------------------------


def anybody(uri: SipUri) -> bool:
    return True


def test_p8_a_3xx_is_passed_on_when_no_contact_may_be_followed() -> None:
    moved = response(302, contact="<sip:new@192.0.2.9>")
    assert context("a").final("a", moved) == Step(forward=moved, is_over=True)


def test_p8_a_3xx_starts_new_branches_and_is_dropped_when_all_contacts_are_used() -> None:
    made: ResponseContext[str] = ResponseContext(request("INVITE"), anybody)
    made.add_branch("a", "sip:a@192.0.2.9")
    step = made.final("a", response(302, contact="<sip:new@192.0.2.9>, <sip:a@192.0.2.9>"))
    assert step == Step(recurse=("sip:new@192.0.2.9",))
    assert made.finals == []
    made.add_branch("b", step.recurse[0])
    assert status_of(made.final("b", response(486))) == 486


def test_p8_contacts_that_may_not_be_followed_go_upstream_with_the_best_answer() -> None:
    made: ResponseContext[str] = ResponseContext(request("INVITE"), lambda uri: uri.host == "192.0.2.9")
    made.add_branch("a", "sip:a@192.0.2.9")
    step = made.final("a", response(302, contact="<sip:new@192.0.2.9>, <sip:far@far.test>"))
    made.add_branch("b", step.recurse[0])
    best = made.final("b", response(486)).forward
    assert best is not None
    assert (best.status, best.headers.get_all(b"contact")) == (302, [b"<sip:far@far.test>"])


def test_p8_circular_redirections_end() -> None:
    made: ResponseContext[int] = ResponseContext(request("INVITE"), anybody, max_targets=4)
    made.add_branch(0, "sip:u0@192.0.2.9")
    branch = 0
    step: Step[int] = Step()
    while not step.is_over:
        step = made.final(branch, response(302, contact=f"<sip:u{branch + 1}@192.0.2.9>"))
        for uri in step.recurse:
            branch += 1
            made.add_branch(branch, uri)
        assert branch < 10
    assert branch == 3
    assert step.forward is not None
    assert step.forward.status == 302


def test_p8_no_redirection_is_followed_after_a_decision() -> None:
    made: ResponseContext[str] = ResponseContext(request("INVITE"), anybody)
    made.add_branch("a", "sip:a@192.0.2.9")
    made.add_branch("b", "sip:b@192.0.2.9")
    made.final("a", response(603))
    assert status_of(made.final("b", response(302, contact="<sip:new@192.0.2.9>"))) == 603


# --- laws --------------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(
            ["silent", "dead", "timer c", "cancel", 100, 180, 200, 302, 401, 404, 408, 480, 487, 503, 603]
        ),
    ),
    max_size=12,
)


def happen(made: ResponseContext[str], method: str, branch: str, event: str | int) -> Step[str]:
    if isinstance(event, int):
        answer = response(event, method)
        return made.provisional(branch, answer) if event < 200 else made.final(branch, answer)
    if event == "cancel":
        return made.cancelled()
    return {"silent": made.timed_out, "dead": made.transport_failed, "timer c": made.timer_c}[event](branch)


@pytest.mark.parametrize("method", ["INVITE", "INFO"])
@settings(deadline=None)
@given(events=EVENTS)
def test_p8_x5_any_behaviour_of_the_branches_gives_one_answer(
    method: str, events: list[tuple[str, str | int]]
) -> None:
    made = context("a", "b", "c", method=method)
    upstream: list[int] = []
    for branch, event in [*events, ("a", "silent"), ("b", "dead"), ("c", 404)]:
        waiting = made.pending
        step = happen(made, method, branch, event)
        upstream += [status_of(step)] if status_of(step) else []
        assert set(step.cancel) <= set(waiting)
        assert not step.cancel or method == "INVITE"
        assert not step.is_over or not made.pending
    assert made.pending == []
    finals = [status for status in upstream if status >= 200]
    refusals = [status for status in finals if status >= 300]
    if method == "INVITE":
        assert finals, "an INVITE always has an answer"
        assert len(refusals) <= 1
        assert not refusals or finals[0] < 300 or finals[0] == refusals[0]
    else:
        assert finals == upstream, "no provisional answers"
        assert len(finals) <= 1
        assert 408 not in finals
