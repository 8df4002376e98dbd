"""Programs made of the parts: everything is built and connected here."""
