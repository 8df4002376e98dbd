"""The agent of a site: a program of its own that owns groups of VIPs by leases, and lets the site's edges answer.

    store: intent, orders, ids ─► facts ─┐                     ┌─► registers: compare-and-put of a group's lease
    store: registers ─► records ─────────┼─► owning (rules) ───┼─► edges: flows that answer, claims at fences
    other agents ─► beats, promises ─────┤                     ├─► other agents: beats, questions, answers
    streams of the site's switches ──────┘                     └─► journal, status.json

It shares no process with the controller that leads, which computes tables and writes all other flows: what that does,
and how long it takes, holds up no renewal, and whether it lives or not, VIPs are answered for. Agents of a site hear
each other, and one of them acts. Rules stand in ``controller.sites``; what does I/O here decides nothing.
"""
