"""All metrics: name, type, labels, meaning. The reference is generated from this, and a test compares it with what is
shown, and with what dashboards and alerts ask for.

Labels have the names of the intent file as values, or words of a closed list: there are as many series as there are
switches, pools, backends and listeners, and (per lb switch) pairs of listener and backend.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Types of OpenMetrics."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"


class Family(NamedTuple):
    """A metric with all its series."""

    name: str
    """Of the family: a counter's series end with ``_total``, an info's with ``_info``."""
    kind: Kind
    meaning: str
    """One sentence, without a full stop."""
    labels: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The base unit that the name ends with; empty: it counts things."""
        return next((unit for unit in ("seconds", "bytes") if self.name.endswith(f"_{unit}")), "")

    @property
    def sample(self) -> str:
        """What a query names, of a histogram without its suffix."""
        return self.name + {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")

    @property
    def samples(self) -> tuple[str, ...]:
        """All that a query may name."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{end}" for end in ("bucket", "count", "sum"))
        return (self.sample,)


_made: dict[str, list[Family]] = {}


def _family(kind: Kind, name: str, meaning: str, *labels: str) -> Family:
    made = Family(name if name.startswith("process_") else f"evenkeel_{name}", kind, meaning, labels)
    next(reversed(_made.values())).append(made)
    return made


def _gauge(name: str, meaning: str, *labels: str) -> Family:
    return _family(Kind.GAUGE, name, meaning, *labels)


def _counter(name: str, meaning: str, *labels: str) -> Family:
    return _family(Kind.COUNTER, name, meaning, *labels)


def _histogram(name: str, meaning: str, *labels: str) -> Family:
    return _family(Kind.HISTOGRAM, name, meaning, *labels)


def _info(name: str, meaning: str, *labels: str) -> Family:
    return _family(Kind.INFO, name, meaning, *labels)


_made["The controller"] = []
BUILD = _info("build", "The program", "version")
LEADER = _gauge("leader", "1: this controller serves switches; 0: it stands by, or starts")
READY = _gauge("ready", "1: `/readyz` answers 200")
LEASE = _gauge(
    "lease_remaining_seconds",
    "Time for which no other controller can lead, 0 if one can; missing where the store is of one machine",
)
STANDBY = _info(
    "standby", "Which controller this one waits for; missing while it leads", "controller", "leader"
)
TERM = _gauge("term", "Number with which switches are claimed")
LAG = _histogram("loop_lag_seconds", "By how much the event loop woke a sleeping task too late")
EVENTS = _counter(
    "events", "Events of the journal since the process began; what has not happened is 0", "event"
)
DROPPED = _counter("events_dropped", "Events that the journal's reader was too slow for")
SPANS = _counter(
    "trace_spans",
    "Spans of changes: `made`; of these `sent`, or `failed` to be; the others wait, or found the queue full; only with "
    "`--traces`",
    "outcome",
)
INTENT = _gauge("intent_refused", "1: the intent file as it is now is not in force")
SHOWN = _gauge(
    "status_age_seconds", "Age of the status that these figures are from, but for counters of packets"
)
CPU = _counter("process_cpu_seconds", "Processor time of the controller, without the prober")
MEMORY = _gauge("process_resident_memory_bytes", "Resident memory of the controller, without the prober")
FILES = _gauge("process_open_fds", "Open file descriptors")
FILES_MOST = _gauge("process_max_fds", "Open file descriptors that the process may have")
BEGAN = _gauge("process_start_time_seconds", "Unix time at which the process began")
CERTIFICATE = _gauge(
    "certificate_end_seconds", "Unix time at which a certificate ends that the process uses", "option", "file"
)

_made["Store"] = []
STORE = _gauge("store_up", "1: what has changed could be stored, or a controller that stands by is answered")
AHEAD = _gauge("store_ahead", "Stored values that are carried out and cannot be stored yet")
REVISION = _gauge("store_revision", "Revision of the last commit: the `change` of events")
COMMIT = _histogram("store_commit_seconds", "Time until the store acknowledged a commit")

_made["Sites and VIPs"] = []
OWNER = _gauge("vip_owner", "1: the site owns the VIP: its switches may answer", "vip", "site")
AWAY = _gauge("vip_away", "1: the VIP is not owned by the site where it belongs now", "vip")
AUTHORITY = _gauge(
    "vip_authority_remaining_seconds",
    "Time for which switches may answer without another renewal; missing where agents own VIPs",
    "vip",
)
VIP_CONFLICTS = _gauge("vip_conflicts", "Other hosts that said within a minute that they have the VIP", "vip")
VIP_CONFLICT_FRAMES = _counter(
    "vip_conflict_frames", "Frames in which other hosts said so, as edges report them", "vip"
)
FIT = _gauge("site_fit", "1: the site can serve; only where controllers share a store", "site")
CONDITION = _gauge("site_condition", "1: the condition of fitness is met", "site", "condition")
SITE_UNSYNCED = _gauge("site_pins_unsynced", "Pins that not every lb switch of the site holds", "site")
DRAINED = _gauge("site_drained", "1: an operator took the site out of service", "site")

_made["Exits beside the switches"] = []
EXIT_SYNCED = _gauge("exit_synced", "1: what the exit drives is as the plan says", "exit")
EXIT_PROBLEM = _gauge("exit_problem", "1: `evenkeel status` says what is wrong with it", "exit")
EXIT_WRITES = _counter("exit_writes", "Times that something was written", "exit")
NAME_CANDIDATES = _gauge(
    "name_candidates", "Addresses that the intent has for a name that is balanced", "name"
)
NAME_LIVE = _gauge("name_live", "Of these, those of which nothing says that they do not live", "name")
EXIT_REPAIRS = _counter("exit_repairs", "Times that what it drives was other than written", "exit")

_made["Discovery"] = []
DISCOVERY_CLIENTS = _gauge("discovery_clients", "Clients of the discovery server (xDS)")
DISCOVERY_REFUSING = _gauge(
    "discovery_clients_refusing",
    "Those of them that refuse what they were sent last, and go on with what they had",
)
DISCOVERY_REFUSALS = _counter("discovery_refusals", "Responses that clients refused (NACK)")
DISCOVERY_CUT = _counter("discovery_clients_cut", "Clients that were cut off or turned away")
DISCOVERY_ASKED = _gauge("discovery_service_clients", "Clients that ask for the service", "service")
DISCOVERY_SERVERS = _gauge("discovery_service_servers", "Servers that clients are told of", "service")
DISCOVERY_PARKED = _gauge(
    "discovery_service_servers_parked", "Those of them that are down or drain", "service"
)

_made["Routes"] = []
ROUTE = _gauge("route_announced", "1: routers are told of the VIP by the speaker", "speaker", "vip")
ROUTE_CONDITION = _gauge(
    "route_condition", "1: the condition of the announcement is met", "speaker", "vip", "condition"
)
ROUTE_NEIGHBOR = _gauge(
    "route_neighbor_up", "1: the speaker and the router speak", "speaker", "protocol", "neighbor"
)
ROUTE_TOLD = _gauge(
    "route_neighbor_prefixes", "Prefixes that the router was told by BGP", "speaker", "protocol", "neighbor"
)
_made["Layer-7 tier"] = []
_PROCESS = ("tier", "instance")
_SERVER = (*_PROCESS, "pool", "server")
TIER_REACHED = _gauge("tier_reached", "1: the HAProxy can be reached", *_PROCESS)
TIER_CLIENTS = _gauge(
    "tier_clients", "Connections of its clients, also to processes from before a reload", *_PROCESS
)
TIER_REQUESTS = _counter("tier_requests", "Requests to its present process", *_PROCESS)
TIER_ERRORS = _counter("tier_errors", "Of them, answered with status 500 to 599", *_PROCESS)
TIER_UP = _gauge("tier_server_up", "1: the HAProxy takes the server for alive", *_SERVER)
TIER_WEIGHT = _gauge("tier_server_weight", "Its weight in the process", *_SERVER)
TIER_SESSIONS = _gauge("tier_server_sessions", "Sessions with it now", *_SERVER)
TIER_ASKED = _counter("tier_server_requests", "Requests that it was sent", *_SERVER)
TIER_FAILED = _counter("tier_server_errors", "Of them, failed or answered with status 500 to 599", *_SERVER)
TIER_RETRIES = _counter("tier_server_retries", "Requests that were sent again after it failed", *_SERVER)

_made["Switches"] = []
SWITCH = _info("switch", "A switch of the intent", "switch", "site", "kind", "roles")
CONNECTED = _gauge("switch_connected", "1: its control stream is up", "switch")
ADMITTED = _gauge("switch_admitted", "1: edges may use this lb switch; missing for others", "switch")
SYNCED = _gauge("switch_synced", "1: it holds what it should", "switch")
LEAVING = _gauge("switch_leaving", "1: the intent no longer names it: it is emptied", "switch")
PROBLEM = _gauge("switch_problem", "1: `evenkeel status` says what is wrong with it", "switch")
ENTRIES = _gauge("switch_entries", "Flows or table entries, but for slots", "switch")
CONFLICTS = _gauge("switch_conflicts", "Places that we want and other programs hold", "switch")
WRITE = _histogram("switch_write_seconds", "Time until the switch confirmed what was written", "switch")
DRIFT = _counter(
    "switch_drift_repaired",
    "Entries that an audit found otherwise than written, and repaired",
    "switch",
    "drift",
)
UNSENT = _counter(
    "switch_packets_unsent", "Packets for it that were dropped: it took them too slowly", "switch"
)
LOST = _counter(
    "switch_reports_lost", "Reports that it held back because there were too many, or that got lost", "switch"
)
SWITCH_DROPS = _counter("switch_dropped_packets", "P4: packets that it dropped", "switch", "reason")
LINK = _gauge("switch_link_up", "P4: 1: hellos come through the cable both ways", "switch", "port", "to")
FENCE = _gauge(
    "switch_fence_claimed",
    "1: this controller claims the edge's authority at its fence",
    "switch",
    "interface",
)
FENCE_OPEN = _gauge(
    "switch_fence_open", "1: the edge answers although nothing is claimed at its fence", "switch", "interface"
)
STRANGERS = _gauge("switch_strangers", "Switches that are connected and that the intent does not name")
MEMORY_SHORT = _gauge("switches_memory_short", "lb switches whose conntrack timeouts could not be set")

_made["Listeners and traffic"] = []
LISTENER = _info("listener", "A listener, and the pool that serves it", "listener", "vip", "pool", "protocol")
LISTENER_DRAINS = _gauge(
    "listener_draining", "1: the intent no longer names it: its connections drain", "listener"
)
PACKETS = _counter(
    "backend_packets", "Packets that an lb switch sent to a backend", "switch", "vip", "listener", "backend"
)
BYTES = _counter(
    "backend_bytes", "Bytes that an lb switch sent to a backend", "switch", "vip", "listener", "backend"
)
OPENED = _counter(
    "backend_connections_opened",
    "TCP connections that lb switches sent to a backend: SYNs, those that came again among them",
    "vip",
    "listener",
    "backend",
)
ENDED = _counter(
    "backend_connections_ended", "FINs and RSTs of clients towards a backend", "vip", "listener", "backend"
)
LIVE = _gauge(
    "backend_connections_live",
    "TCP connections: as its server said last, and opened less ended since",
    "vip",
    "listener",
    "backend",
)
LIVE_ERROR = _gauge(
    "backend_connections_live_error",
    "The number of live connections may be off by this",
    "vip",
    "listener",
    "backend",
)
GUARD = _counter(
    "guard_dropped_packets",
    "Packets that a guard dropped, as of the switch's last read; prefix is empty for the guard of all clients",
    "switch",
    "vip",
    "listener",
    "prefix",
)

DENIED = _counter(
    "access_denied_packets",
    "Packets from sources that a listener's access list blocks, on an lb switch, as of its last read",
    "switch",
    "vip",
    "listener",
)

_made["Pools and backends"] = []
TABLE = ("pool", "protocol", "listener")
BACKENDS = _gauge("pool_backends", "Backends with a weight that were not removed", *TABLE)
DOWN = _gauge("pool_backends_down", "Those of them that are down", *TABLE)
PANICKED = _gauge("pool_panicked", "1: health is ignored: too much of the pool is down", *TABLE)
SLOTS = _gauge("pool_slots", "Slots of the table", *TABLE)
MOVING = _gauge("pool_slots_moving", "Slots in transition", *TABLE)
TRACKED = _gauge(
    "pool_slots_tracked",
    "Slots that moved less than `memory_timeout` ago: their connections are remembered",
    *TABLE,
)
MOVED = _counter("pool_slots_moved", "Slots that were given to another backend", *TABLE)
WATCHED = _gauge(
    "pool_watched_pairs", "(backend, slot) pairs whose connections are reported and pinned", *TABLE
)
WEIGHT = _gauge("backend_weight", "Weight by the intent", *TABLE, "backend")
SPLIT = _gauge("pool_split_share", "Share of slots that a subset of the pool has", *TABLE, "subset")
FACTOR = _gauge("backend_weight_factor", "By which its weight is multiplied", *TABLE, "backend")
SERVER_CONNECTIONS = _gauge(
    "backend_agent_connections", "Live connections, as its agent counted them last", "pool", "backend"
)
SERVER_AGE = _gauge("backend_agent_age_seconds", "Time since its agent answered", "pool", "backend")
SERVER_SILENT = _gauge(
    "backend_agent_silent", "1: its agent has not answered for three intervals", "pool", "backend"
)
BACKEND_SLOTS = _gauge("backend_slots", "Slots that name it", *TABLE, "backend")
STATE = _gauge("backend_state", "1 for the state that it is in", *TABLE, "backend", "state")
UP = _gauge("backend_up", "1: up; 0: down; missing: not probed, no result yet, or removed", "pool", "backend")
LATENCY = _gauge(
    "backend_probe_latency_seconds", "Time that its last probe took, also one that failed", "pool", "backend"
)

_made["Connections and reports"] = []
PINS = _gauge("pins", "Connections that are pinned")
UNSYNCED = _gauge("pins_unsynced", "Pins that not every connected lb switch holds")
REFUSED = _counter("pins_refused", "Connections that found the book of pins full")
REPORTS = _counter(
    "reports",
    "What switches reported: `exception` a connection on a slot of another backend, `overflow` one that found no room "
    "to be remembered, and so on; `incredible` those that speak of a connection that cannot be, and change nothing",
    "report",
)
HELLOS = _counter("hellos", "Hellos between P4 switches", "hello")

_made["Probes"] = []
PROBE = _histogram("probe_seconds", "Time from the start of a probe to its answer or end", "outcome")
LATENESS = _histogram("probe_lateness_seconds", "Time by which a probe was started too late")
UNASKED = _counter("probes_unasked", "Probes that could not be asked for a reason of this machine")
LOST_RESULTS = _counter("probe_results_dropped", "Results that were lost because the controller did not read")
RESTARTS = _counter("prober_restarts", "Prober processes that were started after the first one")
PENDING = _gauge("probes_pending", "Backends whose first probe is still to come")
PLACE_COUNTS = _gauge(
    "place_counts",
    "1: what an agent sees of servers counts; 0: it is silent, or doubts itself",
    "place",
    "site",
)
PLACE_UP = _gauge(
    "place_backend_up",
    "1: an agent that counts sees it up; 0: down; missing: it has no verdict",
    *("place", "site", "pool", "backend"),
)
PLACE_DIFFERS = _gauge(
    "place_differs", "Backends that an agent sees otherwise than is decided", *("place", "site", "pool")
)
PROBLEMS = _gauge("probe_problems", "Reasons for which verdicts stand still; `evenkeel status` names them")

_made["Agents"] = []
AGENT = _info("agent", "This program is an agent, of this site", "agent", "site")
AGENT_READY = _gauge("agent_ready", "1: it has had all that it needs to act for its site", "site")
AGENT_ACTS = _gauge("agent_acts", "1: of the site's agents it is the one that acts", "site")
GROUP_LEFT = _gauge(
    "agent_authority_remaining_seconds",
    "Authority that the agent has left for a group of VIPs without another renewal",
    "mac",
)
GROUP_ROLE = _gauge(
    "agent_group_role",
    "1: what the agent is to a group: `holds` its lease; `behind`: another agent of its site holds it; `away`: another "
    "site does; `none` does",
    "mac",
    "role",
)
GROUP_EPOCH = _gauge("agent_group_epoch", "Grows with each change of a group's owner", "mac")
RENEWALS = _histogram("agent_lease_renew_seconds", "Time until the store acknowledged a lease")
PATH = _gauge("agent_path_up", "1: another agent is heard on this address of ours", "agent", "path")
EDGE = _gauge("agent_edge_connected", "1: an edge of the site is connected to the agent", "switch")
EDGE_ANSWERS = _gauge("agent_edge_answers", "VIPs for which the edge may answer", "switch")
EDGE_PROBLEM = _gauge("agent_edge_problem", "1: `evenkeel status` says what is wrong with it", "switch")
AGENT_FENCE_UP = _gauge("agent_fence_up", "1: BFD has its neighbour at this fence", "switch", "interface")
AGENT_FENCE = _gauge("agent_fence_claimed", "1: the agent claims its authority there", "switch", "interface")
OBSERVED = _gauge("agent_servers", "Servers that the agent probes")
OBSERVED_PENDING = _gauge("agent_servers_pending", "Servers of which the agent knows nothing yet")
OBSERVERS = _gauge("agent_observers", "Controllers that are told what the agent sees of servers")
OBSERVATIONS = _counter("agent_observations_sent", "Messages with which controllers were told of servers")

_made["Name servers"] = []
NAME_SERVER = _info("nameserver", "This program is a name server, of this site", "nameserver", "site")
NAME_HEARD = _gauge("nameserver_heard_age_seconds", "Time since a controller was heard; missing: none was")
NAME_AGE = _gauge("nameserver_tables_age_seconds", "Time for which what is answered has been the same")
NAME_EXPIRED = _gauge(
    "nameserver_expired", "1: nothing is answered, since no controller was heard for too long"
)
NAME_NAMES = _gauge("nameserver_names", "Names of a zone", "zone")
NAME_PROBLEMS = _gauge(
    "nameserver_problems", "What is wrong with what it should serve; `status.json` names it"
)
NAME_QUERIES = _counter("nameserver_queries", "Questions that came", "protocol")
NAME_ANSWERS = _counter("nameserver_answers", "Answers, by what they say", "rcode")
NAME_LIMITED = _counter(
    "nameserver_limited",
    "Answers that the rate limit held back (`drop`) or sent without records (`slip`)",
    "how",
)
NAME_TRUNCATED = _counter("nameserver_truncated", "Answers that were too large for UDP")
NAME_IGNORED = _counter("nameserver_ignored", "Messages that were not answered: they asked nothing")
NAME_UNSENT = _counter("nameserver_unsent", "Answers that the system did not take")
NAME_FAILED = _counter("nameserver_failed", "Answers that a defect kept from being made")
NAME_SUBNETS = _counter("nameserver_subnets", "Questions with a client's subnet")
NAME_COOKIES = _counter("nameserver_cookies", "Questions with a cookie of ours")
NAME_CONNECTIONS = _gauge("nameserver_connections", "TCP connections")
NAME_CLOSED = _counter("nameserver_connections_closed", "TCP connections that were closed to make room")
NAME_SIGNATURES = _counter("nameserver_signatures", "Signatures that were made")
NAME_SECONDS = _histogram(
    "nameserver_answer_seconds", "Time that an answer over UDP took, as the mean of its batch"
)

GROUPS: dict[str, tuple[Family, ...]] = {title: tuple(rows) for title, rows in _made.items()}
"""All families, by heading of the reference."""
ALL = tuple(family for rows in GROUPS.values() for family in rows)
OF_AGENTS = GROUPS["Agents"]
"""What agents alone show."""
OF_NAMESERVERS = GROUPS["Name servers"]
"""What name servers alone show."""
