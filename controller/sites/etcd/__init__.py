"""The store in etcd: a thin client on grpc.aio, and batches of any size that become visible at once."""
