"""Accuracy of models: their scores beside labels, and beside the scores of other models."""
