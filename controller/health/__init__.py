"""Health of backends: probes (I/O) in a process of their own, a damper (pure), one verdict per backend."""
