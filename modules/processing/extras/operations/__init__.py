"""One file for each operation, under A1111's name and in A1111's place in the order."""
