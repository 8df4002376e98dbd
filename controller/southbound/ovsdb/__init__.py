"""What OpenFlow cannot do, asked of a switch's OVSDB."""
