"""The soak of two sites: faults drawn by seed, singly and in pairs, under the load and the recorder of the demo."""
