"""The layer-7 tier: HAProxy processes behind an L4 pool are configured, changed, drained and watched.

intent ─► render (pure) ─► file, checked by haproxy -c ─┐
HAProxy ─► parse (pure) ─► has ─────────────────────────┴─► diff (pure) ─► commands by the master socket, or a reload
"""
