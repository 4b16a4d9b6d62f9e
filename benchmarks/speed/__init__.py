"""What things cost: microseconds beside peers, instructions, memory."""
