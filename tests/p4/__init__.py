"""The promises of the P4 connection memory, with real packets on the embedded switch and on BMv2."""
