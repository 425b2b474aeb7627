"""Alias table: other names of a mailbox, by rules in Python (SER's rewriteuri).

For plain patterns [aliases] in msilod.toml is enough; these aliases also apply to REGISTER and to the msilo command.
This policy sends a MESSAGE to a team's address to the first registered member. Without a registered member the MESSAGE
is stored for the team's lead.

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
    """The team in the To header field, which does not change when the request is forwarded; None for other users."""
    to = request.to
    if to is None or to.user is None or to.aor() not in TEAMS:
        return None
    return to.aor()


def kept_for_lead(request: RoutingRequest, team: str, otherwise: Action) -> Action:
    """Store a MESSAGE for the lead: mode 0 stores for the user in the new Request-URI. Other methods: `otherwise`."""
    return Store(0, uri=LEADS[team]) if request.method == b"MESSAGE" else otherwise
