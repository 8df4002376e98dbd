"""Ownership of VIPs, fencing, and the stores that outlive a controller."""
