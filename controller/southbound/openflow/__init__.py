"""The OpenFlow driver, on os-ken."""
