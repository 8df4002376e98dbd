"""The running controller: events in, plans made, switches brought to them."""
