"""One module a pipeline stage; every function is pure and returns flows.

entry: respond | icmp | listener | answers | edge      then: guard ─ pin ─ memory ─ choose ─ fate ─ backend
"""
