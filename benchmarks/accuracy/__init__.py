"""What models are worth: scores beside labels, and beside those of other models."""
