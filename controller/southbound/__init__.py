"""One small driver per protocol, each with four verbs: connect, read, write a diff, events."""
