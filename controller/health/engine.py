"""The probing machine: one epoll loop, one timer wheel, no task per target."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from math import inf
from select import epoll

from controller.health.attempt import Attempt, LineAttempt, Plan, TcpAttempt, UdpAttempt
from controller.health.icmp import EchoAttempt, EchoSocket
from controller.health.result import Outcome
from controller.health.schedule import Wheel, first_due, next_due
from controller.health.targets import Probe
from controller.spec.health import ProbeKind

Record = tuple[int, int, str, float, float]
"""(probe id, outcome, reason, started, finished): a result on its way to the parent process."""

BURST = 64
"""Attempts started before the poller is asked again: late starts must not make answers late."""

STALL = 0.02
"""Seconds that one turn may overrun before the time counts as lost by ourselves."""

LATENESS_STEP = 0.0001
"""Width of a lateness bucket in seconds."""


class Engine:
    """Probes that are due are started, answers are read, deadlines kept; results gather in ``results``.

    Not thread-safe. ``max_open`` bounds the sockets in use; probes that find none free wait in line,
    which shows as lateness. Time in which this process did not run (``stalled``) is added once,
    up to the timeout, to the deadlines of attempts under way: the server is not to blame for it.
    """

    def __init__(self, max_open: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.results: list[Record] = []
        """Finished probes, oldest first; the caller takes them out."""
        self.lateness: Counter[int] = Counter()
        """Starts by lateness in steps of ``LATENESS_STEP``; the caller may clear it."""
        self.sockets = 0
        """Sockets open now."""
        self.stalled = 0.0
        """Seconds lost by this process since it began."""
        self._max_open = max_open
        self._clock = clock
        self._epoll = epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._plans: dict[int, Plan] = {}
        self._due: Wheel[Plan] = Wheel()
        self._deadlines: Wheel[Attempt] = Wheel()
        self._line: deque[Plan] = deque()
        self._echo: dict[int, EchoSocket] = {}
        self._kinds: dict[ProbeKind, Callable[[Engine, Plan, float], Attempt]] = {
            ProbeKind.TCP: TcpAttempt,
            ProbeKind.UDP: UdpAttempt,
            ProbeKind.ICMP: EchoAttempt,
        }
        self._polled = clock()

    def add(self, ident: int, probe: Probe) -> None:
        """Begin to ask ``probe``; results carry ``ident``."""
        if probe.kind not in self._kinds:
            # Loaded when wanted: TLS is a third of this process's memory.
            from controller.health.web import ATTEMPTS

            self._kinds[ProbeKind.HTTP], self._kinds[ProbeKind.HTTPS] = ATTEMPTS
        plan = self._plans[ident] = Plan(ident, probe)
        plan.due = first_due(self._clock(), plan.interval, plan.fraction)
        self._due.add(plan.due, plan)

    def remove(self, ident: int) -> None:
        """Stop asking; results of attempts under way are dropped."""
        self._plans.pop(ident).live = False

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call ``handler(events)`` whenever epoll reports ``fd``."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def rewatch(self, fd: int, events: int) -> None:
        """Change what ``fd`` is watched for."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Forget ``fd``, which the caller closes now (which takes it out of epoll)."""
        self._handlers.pop(fd, None)

    def echo_socket(self, version: int) -> EchoSocket:
        """The ICMP socket of that IP version. Raises ``OSError`` when it cannot be opened."""
        found = self._echo.get(version)
        if found is None:
            found = self._echo[version] = EchoSocket(self, version)
        return found

    def record(self, plan: Plan, outcome: Outcome, reason: str, started: float) -> None:
        """An attempt ended."""
        if plan.live:
            self.results.append((plan.ident, int(outcome), reason, started, self._clock()))

    def turn(self, until: float) -> None:
        """Wait for news or the next timer, at most to monotonic time ``until``; handle what there is."""
        events = self._wait(until)
        handlers = self._handlers
        for fd, mask in events:
            handler = handlers.get(fd)
            if handler is not None:
                handler(mask)
        if len(events) < self._max_open:  # else more answers may be waiting: read them before judging time
            self._expire()
        self._start()

    def _wait(self, until: float) -> list[tuple[int, int]]:
        for timer in (self._due.next(), self._deadlines.next()):
            if timer is not None and timer < until:
                until = timer
        now = self._clock()
        pause = 0.0 if self._line and self.sockets < self._max_open else max(0.0, until - now)
        events = self._epoll.poll(pause, self._max_open)
        after = self._clock()
        lost = (now - self._polled) + max(0.0, after - now - pause)
        if lost > STALL:
            self.stalled += lost
        self._polled = after
        return events

    def _expire(self) -> None:
        for attempt in self._deadlines.take(self._polled):
            if attempt.done:
                continue
            lost = self.stalled - attempt.stalled
            if lost > 0:
                attempt.stalled = inf  # once: an overloaded prober must still come to an end
                self._deadlines.add(self._polled + min(lost, attempt.plan.timeout), attempt)
            else:
                attempt.expire()

    def _start(self) -> None:
        line, clock = self._line, self._clock
        line.extend(self._due.take(clock()))
        for _ in range(min(BURST, len(line))):
            if self.sockets >= self._max_open:
                break
            plan = line.popleft()
            if not plan.live:
                continue
            now = clock()
            self.lateness[int((now - plan.due) / LATENESS_STEP)] += 1
            # Half an interval: a first probe may stand just before a point of the grid.
            plan.due = next_due(max(now, plan.due + plan.interval / 2), plan.interval, plan.fraction)
            self._due.add(plan.due, plan)
            self._begin(self._attempt(plan, now))

    def _attempt(self, plan: Plan, now: float) -> Attempt:
        if plan.probe.reads and plan.probe.kind is ProbeKind.TCP:
            return LineAttempt(self, plan, now)
        return self._kinds[plan.probe.kind](self, plan, now)

    def _begin(self, attempt: Attempt) -> None:
        try:
            attempt.begin()
        except OSError as error:
            attempt.refuse(error.errno or 0)
        if not attempt.done:
            self._deadlines.add(attempt.started + attempt.plan.timeout, attempt)
