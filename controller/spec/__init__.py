"""What all parts share: intent as data, what one switch has to know, slot tables. Imports nothing else of the tree."""
