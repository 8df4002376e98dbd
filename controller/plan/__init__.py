"""Intent, health and ownership in; what each switch should hold out. Pure: no I/O, the clock is an argument."""
