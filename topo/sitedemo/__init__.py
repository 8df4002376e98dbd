"""The demo of two sites: several controllers and an etcd, broken part by part under load, and judged from outside."""
