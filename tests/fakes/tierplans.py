"""Tiers at random, good ones, and a HAProxy that is a dictionary."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from hypothesis import strategies as st

from controller.exits.tier.parse import Counted, Has, ServerHas
from controller.exits.tier.wanted import ServerRef, Wanted
from controller.spec import tier as t

ADDRESSES = st.sampled_from(
    [ip_address(each) for each in ("10.1.0.11", "10.1.0.12", "127.0.0.1", "fd00::11")]
)
NAMES = st.sampled_from(["s1", "s2", "s3", "s4", "a.b-c_d"])
HOSTS = st.sampled_from(["api.example.org", "*.example.org", "shop.example.org", "*.x-y.org"])
PATHS = st.sampled_from(["/", "/api/*", "/login", "/a.b/*", "/api/v1", "/x+y(z)*", "/*"])
MATCHES = st.builds(
    t.Match,
    st.sampled_from(["x-version", "X-Env"]),
    st.sampled_from(["canary", "a b", 'q"r', "-m", "$x {y}"]),
)
SERVERS = st.lists(
    st.builds(
        t.TierServer,
        NAMES,
        ADDRESSES,
        st.integers(1, 65535),
        weight=st.integers(0, 256),
        drain=st.booleans(),
        backup=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda each: each.name,
).map(tuple)
HEALTH = st.one_of(
    st.none(),
    st.builds(t.TierHealth, port=st.sampled_from([None, 8080])),
    st.builds(
        t.TierHealth,
        type=st.just(t.TierProbe.HTTP),
        path=st.sampled_from(["/", "/health?x=1#y"]),
        host=st.sampled_from([None, "shop.example.org"]),
    ),
)


@st.composite
def pools(draw: st.DrawFn, name: str, mode: t.ProxyMode) -> t.TierPool:
    http = mode is t.ProxyMode.HTTP
    balances = [
        each for each in t.Balance if (each is not t.Balance.RDP_COOKIE if http else not each.reads_http)
    ]
    balance = draw(st.sampled_from(balances))
    return t.TierPool(
        name,
        draw(SERVERS),
        mode,
        balance=balance,
        balance_on="user" if balance in (t.Balance.URL_PARAM, t.Balance.HDR) else None,
        sticky=draw(st.sampled_from([None, t.Sticky("SRV"), t.Sticky("SRV", True)])) if http else None,
        retries=t.Retries(draw(st.sampled_from([0, 3]))),
        health=draw(HEALTH),
        send_proxy=draw(st.sampled_from(t.SendProxy)),
        raw=draw(st.sampled_from([(), ("timeout server 9s", "fullconn 100")])),
    )


@st.composite
def tiers(draw: st.DrawFn) -> t.Tier:
    """A tier that HAProxy takes."""
    http = [draw(pools(name, t.ProxyMode.HTTP)) for name in ("web", "api")]
    tcp = [draw(pools("db", t.ProxyMode.TCP))]
    route = st.builds(
        t.TierRoute,
        st.sampled_from(["web", "api"]),
        st.lists(HOSTS, min_size=1, max_size=3, unique=True).map(tuple),
        st.lists(PATHS, max_size=3, unique=True).map(tuple),
        st.lists(MATCHES, max_size=2).map(tuple),
        st.lists(MATCHES, max_size=1).map(tuple),
    )
    frontends = (
        t.Frontend(
            "http",
            (t.Bind(8080), t.Bind(8081, "own"), t.Bind(8082, "::")),
            routes=tuple(draw(st.lists(route, max_size=4))),
            pool="web",
            forwarded_for=draw(st.sampled_from(t.ForwardedFor)),
            max_connections=draw(st.sampled_from([None, 100])),
        ),
        t.Frontend(
            "db",
            (t.Bind(3306, "127.0.0.1", accept_proxy=draw(st.booleans())),),
            t.ProxyMode.TCP,
            draw(st.sampled_from([(), (t.TierRoute("db", ("db.example.org",)),)])),
            "db",
        ),
    )
    return t.Tier(
        "web",
        (t.Instance("hap1", "unix:/run/m.sock", "/run/h.cfg"),),
        frontends,
        (*http, *tcp),
        status_port=draw(st.sampled_from([None, 8404])),
        hard_stop_after=draw(st.sampled_from([None, 60.0])),
        raw_global=draw(st.sampled_from([(), ("maxconn 1000",)])),
        raw_sections=draw(st.sampled_from([(), ("backend mine", "  server x 127.0.0.1:1")])),
    )


@dataclass
class Worker:
    """What a HAProxy process makes of commands. Commands that it would refuse are failures of the test."""

    digest: str
    servers: dict[ServerRef, ServerHas]
    sessions: dict[ServerRef, int] = field(default_factory=dict)

    @staticmethod
    def of(wanted: Wanted) -> Worker:
        """A process that has read the file."""
        return Worker(
            wanted.digest,
            {
                (pool, name): ServerHas(each.address, each.port, each.weight, each.maint, False)
                for pool, of in wanted.pools.items()
                for name, each in of.servers.items()
            },
        )

    @property
    def has(self) -> Has:
        """As it is read."""
        counted = {ref: Counted(self.sessions.get(ref, 0), 0, 0, 0, 0, "UP", "") for ref in self.servers}
        return Has(self.digest, dict(self.servers), counted)

    def take(self, line: str) -> None:
        """One command."""
        words = line.split()
        what = words[0] if words[0] != "set" else f"set {words[3]}"
        ref = tuple(words[2].split("/"))
        assert len(ref) == 2
        if what == "add":
            assert ref not in self.servers
            host, _, port = words[3].rpartition(":")
            assert words[4] == "weight"
            self.servers[ref] = ServerHas(host.strip("[]"), int(port), int(words[5]), True, False)
            return
        had = self.servers[ref]
        if what == "del":
            assert had.maint
            assert not self.sessions.get(ref), "a server with sessions is deleted"
            del self.servers[ref]
        elif what == "set addr":
            self.servers[ref] = replace(had, address=words[4], port=int(words[6]))
        elif what == "set weight":
            self.servers[ref] = replace(had, weight=int(words[4]))
        elif what == "set state":
            self.servers[ref] = replace(had, maint=words[4] == "maint", drain=False)
        elif line.startswith("enable server"):
            self.servers[ref] = replace(had, maint=False)
        else:
            assert line.startswith("enable health"), line
