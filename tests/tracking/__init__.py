"""Just enough tracking, proved: the rules of the product in a model of switches, played exhaustively and at random."""
