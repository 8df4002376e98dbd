"""VIPs announced to routers by BGP and OSPF."""
