"""The embedded P4 switch: runs any JSON that p4c compiles for v1model, in Python."""
