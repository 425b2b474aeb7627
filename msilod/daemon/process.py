"""Process: runs a daemon as a process, from opening the files to the exit code.

The order is: open the listeners and the silo, print the ready line, serve until a signal, drain, close. Each failure at
a start comes before the ready line, as one line on standard error and an exit code, and closes all that was opened. The
first TERM or INT drains, the second ends at once (msilod(8)).
"""

import errno
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from msilod import __version__
from msilod.clock import Clock
from msilod.control.socket import ControlServer
from msilod.daemon import systemd
from msilod.daemon.daemon import Daemon
from msilod.daemon.listeners import check_validity, open_transports, raise_file_limit, read_certificates
from msilod.daemon.parts import Parts
from msilod.daemon.policies import log_policy_fault
from msilod.daemon.reload import Reload
from msilod.daemon.wiring import build, build_metrics, build_verbs
from msilod.daemon.writer_results import WriterResults, make_room, receive_results
from msilod.errors import BusyError, MsilodError, StoreError, UnavailableError
from msilod.log import get_log
from msilod.routing.policy import Policy
from msilod.routing.policy_file import load_policy
from msilod.settings import Settings, check_doors
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.tables.users import UserTable
from msilod.store.writer.parent import ProcessWriter
from msilod.streams import discard
from msilod.transaction.layer import TransactionLayer
from msilod.transport.listen import parse_address
from msilod.transport.tls import Certificates
from msilod.transport.transports import Transports

if TYPE_CHECKING:
    from msilod.metrics.server import MetricsServer

STOPPED: Final = 0
FAILED: Final = 1
# Seconds until a reading thread gets the interpreter while datagrams come without a pause. With Python's
# 5 ms, reading a page of recipients waits 5 ms after each statement.
SWITCH_INTERVAL: Final = 0.0001
# Allocations before a collection, per generation.
GC_THRESHOLD: Final = (50_000, 50, 50)


def serve(settings: Settings, read_again: Callable[[], Settings]) -> int:
    """Run the daemon until TERM or INT; returns the exit code.

    `read_again` reads the configuration again, for HUP. Raises MsilodError when the start fails, or when the daemon
    has to end, for example because the silo is lost.
    """
    # Reference counts free all our objects. The collector finds nothing and walks over all live objects: with Python's
    # default threshold of 700 a quarter of the stores per second was lost.
    gc.set_threshold(*GC_THRESHOLD)
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        _serve(settings, read_again)
    except (BaseExceptionGroup, trio.TrioInternalError, MemoryError, OSError) as error:
        _end_by(error)
        raise
    return STOPPED


def _serve(settings: Settings, read_again: Callable[[], Settings]) -> None:
    raise_file_limit()
    check_doors(settings, lambda: have_users_existed(settings))
    certificates = read_certificates(settings)
    if fault := check_validity(settings, certificates, time.time()):
        # The clock may be wrong, and the listeners without TLS can serve.
        get_log().warning("clients will refuse the certificate", reason=fault)
    trio.run(_main, settings, certificates, read_again)


def _end_by(error: BaseException) -> None:
    """Raise the MsilodError for the cause of `error`, if any. Out of memory, the process ends here."""
    causes = list(_causes(error))
    if any(isinstance(cause, MemoryError) for cause in causes):
        end_out_of_memory()
    for cause in causes:
        if isinstance(cause, MsilodError):
            # trio's nursery puts exceptions into a group.
            raise cause from error
    for cause in causes:
        if isinstance(cause, OSError):
            raise _unavailable(cause) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exceptions in a group, or the cause of a TrioInternalError."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    elif isinstance(error, trio.TrioInternalError):
        yield from _causes(error.__cause__)
    elif error is not None:
        yield error


def end_out_of_memory() -> NoReturn:
    """End at once: each other step might need memory, too, and never end.

    The writer's process sees the end of the pipe, commits the complete frames, and ends.
    """
    os.write(2, b"msilod: out of memory\n")
    os._exit(FAILED)


def _unavailable(error: OSError) -> UnavailableError:
    name = f"{error.filename}: " if error.filename else ""
    few = (
        " (raise ulimit -n, or LimitNOFILE of the unit)"
        if error.errno in (errno.EMFILE, errno.ENFILE)
        else ""
    )
    return UnavailableError(f"{name}{error.strerror or error}{few}")


@contextmanager
def _starting() -> Iterator[None]:
    """Turn a failure at a start into UnavailableError: one line, exit 69 (msilod(8))."""
    try:
        yield
    except (StoreError, BusyError) as error:
        raise UnavailableError(str(error)) from error
    except OSError as error:
        raise _unavailable(error) from error


def have_users_existed(settings: Settings) -> bool:
    """True when the silo has or had users; False without a silo. Called before the silo is opened to serve.

    Raises MsilodError.
    """
    if not settings.silo.exists():
        return False
    table = UserTable(settings.silo, settings.config.db_table)
    try:
        return table.reads.last_change() > 0
    finally:
        table.close()


async def _main(
    settings: Settings, certificates: Certificates | None, read_again: Callable[[], Settings]
) -> None:
    policy = load_policy(settings.routing, log_policy_fault)
    with ExitStack() as closing:
        delivery = WriterResults()
        with _starting():
            transports = open_transports(settings, certificates)
            closing.callback(transports.close)
            section = settings.config.silo
            silo = Silo(
                settings.silo_url, settings.config.db_table, Limits.of(section, False), section.history
            )
            closing.callback(silo.close)
            silo.start(f"{socket.gethostname()}", delivery.tell)
        closing.callback(delivery.end)
        try:
            await _run(settings, transports, silo, policy, read_again)
        except* MemoryError:
            end_out_of_memory()


async def _run(
    settings: Settings, transports: Transports, silo: Silo, policy: Policy, read_again: Callable[[], Settings]
) -> None:
    async with trio.open_nursery() as nursery:
        with ExitStack() as closing:
            with _starting():
                parts = build(settings.config, Clock(), transports, silo, nursery, policy)
                daemon = Daemon(parts, nursery)
                reload = Reload(daemon, parts, settings, read_again)
                verbs = build_verbs(parts, reload, daemon.stop)
                control = ControlServer(settings.socket, verbs.handlers())
                closing.callback(control.close)
                metrics = _open_metrics(settings, parts)
            if metrics is not None:
                closing.callback(metrics.close)
                nursery.start_soon(metrics.serve)
            if isinstance(silo.writer, ProcessWriter):
                nursery.start_soon(receive_results, silo.writer, parts.receiver.after_batch)
                nursery.start_soon(make_room, silo.writer)
            nursery.start_soon(control.serve)
            await nursery.start(_listen_to_signals, daemon, parts.layer, nursery, reload)
            await daemon.run(partial(_announce, settings, parts, metrics))
            systemd.notify("STOPPING=1")
            nursery.cancel_scope.cancel()


def _open_metrics(settings: Settings, parts: Parts) -> "MetricsServer | None":
    """The listener of [metrics]; None without the key. Raises UnavailableError."""
    text = settings.config.metrics.listen
    if not text:
        return None
    spec = parse_address("metrics", text)
    if not spec.is_loopback:
        get_log().warning("the metrics are for every host that reaches the listener", listener=text)
    return build_metrics(parts, spec)


def _announce(settings: Settings, parts: Parts, metrics: "MetricsServer | None") -> None:
    if metrics is not None:
        metrics.health.is_serving = True
        get_log().info("metrics", port=metrics.port)
    listening = " ".join(repr(endpoint) for endpoint in parts.transports.listening())
    line = (
        f"msilod {__version__} ready: {listening}, domains {' '.join(parts.myself.domains)}, "
        f"silo {settings.silo}"
    )
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:
        # Standard output is closed or full. The log gets the same facts.
        discard(sys.stdout)
    get_log().info("ready", listening=listening, domains=" ".join(parts.myself.domains), silo=settings.silo)
    systemd.notify(f"READY=1\nSTATUS={listening}")


async def _listen_to_signals(
    daemon: Daemon,
    layer: TransactionLayer,
    nursery: trio.Nursery,
    reload: Callable[[], object],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for received in signals:
            if received == signal.SIGHUP:
                with suppress(MsilodError):
                    reload()
                continue
            if daemon.stopping.is_set():
                nursery.cancel_scope.cancel()
            get_log().info("stopping", open_transactions=layer.open_transactions)
            daemon.stop()
