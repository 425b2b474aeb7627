"""An alias table in the policy (SER's rewriteuri): other names of a mailbox, by whatever rule one can write.

For plain patterns [aliases] in msilod.toml is enough and also holds for REGISTER and the msilo command. Here a
team's address goes to whoever is on duty, and is kept for the team's lead when nobody is there.

>>> from msilod.routing import example
>>> team = "sip:support@example.test"
>>> route(example("MESSAGE", team, registered=["carol@example.test"]))
Relay(on_failure=True, uri='sip:carol@example.test')
>>> route(example("MESSAGE", team))
Store(uri='sip:bob@example.test')
>>> failure_route(example("MESSAGE", team, registered=["carol@example.test"]), 486)
Store(uri='sip:bob@example.test')
>>> route(example("INVITE", team))
Reply(status=404, phrase='Not Found')
>>> route(example("MESSAGE", "sip:bob@example.test"))
Store()
"""

from msilod.routing import Action, Break, Relay, Reply, RoutingRequest, Store, default

TEAMS = {"support@example.test": ("sip:carol@example.test", "sip:dave@example.test")}
LEADS = {"support@example.test": "sip:bob@example.test"}


def route(request: RoutingRequest) -> Action:
    team = team_of(request)
    if team is None:
        return default.route(request)
    for member in TEAMS[team]:
        if request.lookup(member):
            return Relay(on_failure=True, uri=member)
    return kept_for_lead(request, team, Reply(404, "Not Found"))


def failure_route(request: RoutingRequest, status: int) -> Action:
    team = team_of(request)
    if team is None:
        return default.failure_route(request, status)
    return kept_for_lead(request, team, Break())


def team_of(request: RoutingRequest) -> str | None:
    """The team that the sender wrote to, wherever the request has been sent since."""
    to = request.to
    if to is None or to.user is None or to.aor() not in TEAMS:
        return None
    return to.aor()


def kept_for_lead(request: RoutingRequest, team: str, otherwise: Action) -> Action:
    """Mode 0 looks first at the new URI."""
    return Store(0, uri=LEADS[team]) if request.method == b"MESSAGE" else otherwise
