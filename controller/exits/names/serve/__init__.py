"""Answers questions from a content: the name server that needs nothing beside Python."""
