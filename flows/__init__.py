"""The OpenFlow pipeline as data: tables, flows, groups, meters and their wire form. Pure: no I/O, no clock."""
