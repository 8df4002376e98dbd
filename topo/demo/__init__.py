"""The demo: real connections through a fabric that is changed and broken while they live, and the proof."""
