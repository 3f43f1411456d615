"""Published evaluation protocols: how far a method's motions are from the labels of a test set."""
