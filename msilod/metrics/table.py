"""Table: the name, kind, labels and help of each metric. Rule: data only.

Names are by the conventions of Prometheus: the prefix of the program, base units, `_total` for counts. msilod(8) has
the same table for operators, and a test compares the two. A metric of `Counters` has the name of its field.
"""

from dataclasses import dataclass, fields
from typing import Final, Literal

from msilod.counters import Counters

PREFIX: Final = "msilod_"


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is the whole name, for a counter with `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


# By the fields of Counters.
_COUNTS: Final = {
    "stored_messages": "Messages that were stored and answered 202.",
    "dumped_messages": "Stored messages that a device has taken; with devices = each, one for each device.",
    "failed_messages": "Attempts to deliver a stored message that came to nothing.",
    "failed_stores": "Messages that were answered 503 because they could not be committed.",
    "rejected_messages": "Stored messages that are never sent again after a device refused them.",
    "expired_messages": "Stored messages that have expired.",
    "duplicate_messages": "Copies of a message that was stored before.",
    "refused_messages": "Messages that were refused because of a limit.",
    "relayed_requests": "Requests that were relayed to contacts.",
    "registrations": "REGISTER requests that were accepted.",
    "notices": "Notices to senders.",
    "receipts": "Receipts (IMDN) for senders.",
    "challenges": "Requests that were answered 401 or 407.",
    "authenticated_requests": "Requests with right credentials.",
    "wrong_passwords": "Requests with wrong credentials.",
    "delayed_guesses": "Requests that were refused unread after many wrong passwords.",
    "shed_challenges": "Requests that got no challenge because their source had too many.",
    "refused_strangers": "Requests that were refused because of who sent them.",
    "shed_sources": "Times that a flooding source was shut out.",
    "shed_datagrams": "Datagrams that were left unread during a flood.",
    "malformed": "Messages that are no SIP.",
    "dropped": "Messages that were dropped without an answer.",
    "internal_errors": "Faults of msilod. The log has the tracebacks.",
}


def _counter(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_total", "counter", help, labels)


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}", "gauge", help, labels)


def _histogram(name: str, help: str) -> Metric:
    return Metric(f"{PREFIX}{name}", "histogram", help)


METRICS: Final = (
    *(_counter(field.name, _COUNTS[field.name]) for field in fields(Counters)),
    _counter("refusals", "Refused messages by the limit that they were over.", "limit"),
    _gauge("build_info", "1, with the version as a label.", "version"),
    _gauge("ready", "1 while /readyz answers 200."),
    # The silo.
    _gauge("silo_up", "1 while the silo answers."),
    _gauge("silo_figures_age_seconds", "Seconds since the figures of the silo were read."),
    _gauge("messages", "Messages in the silo, by state.", "state"),
    _gauge("message_bytes", "Bytes of all bodies in the silo."),
    _gauge("oldest_message_age_seconds", "Age of the oldest message that waits for delivery, 0 for none."),
    _gauge("silo_free_bytes", "Free bytes on the disk of the silo."),
    _gauge("uncommitted_messages", "Messages that were received and are not committed yet."),
    _histogram("commit_seconds", "Seconds of transactions that store messages."),
    # Deliveries.
    _histogram("delivery_seconds", "Seconds from the arrival of a message, or its due time, to the 2xx of a device."),
    _gauge("delivery_runs", "Recipients whose messages are being delivered."),
    _gauge("delivery_runs_waiting", "Recipients that wait for a delivery run."),
    _gauge("paused_domains", "Domains whose deliveries are paused."),
    # Users.
    _gauge("bindings", "Registered contacts."),
    _gauge("registered_recipients", "Recipients with a registered contact."),
    _gauge("users", "Users with a password."),
    # SIP.
    _gauge("transactions", "Live SIP transactions.", "side"),
    _gauge("remembered_answers", "Answers that are kept for retransmitted requests."),
    _counter("received_retransmissions", "Retransmitted requests that were received."),
    _counter("sent_retransmissions", "Requests and responses that were sent again."),
    _counter("stray_responses", "Responses without a transaction."),
    _counter("refused_transactions", "Requests that were answered 503 for lack of room."),
    _counter("unsent_answers", "Answers that could not be sent."),
    _counter("forgotten_answers", "Answers that were forgotten early for lack of room."),
    # Transports.
    _gauge("connections", "Open connections, by transport.", "transport"),
    _counter("refused_connections", "Connections that were refused because of a limit."),
    _counter("closed_connections", "Connections that were closed to make room for others."),
    _counter("unsent_datagrams", "Datagrams that the socket did not take."),
    _gauge("certificate_not_after_seconds", "End of the certificate of [tls], seconds since 1970."),
)  # fmt: skip
BY_NAME: Final = {metric.name: metric for metric in METRICS}
