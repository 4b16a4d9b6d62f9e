"""Every figure that is claimed of space2vec, and what measures it: speed, accuracy, and their results."""
