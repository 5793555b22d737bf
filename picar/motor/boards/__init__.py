"""Motor boards. One file for each; it knows the board's terminals and truth table."""
