"""The soak: real switches under a random schedule of edits, deaths, clock steps and pauses, judged from logs."""
