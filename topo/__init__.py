"""Labs: fabrics of real switches, servers and clients in network namespaces of this machine."""
