"""Simulate a night, score it with a packaged model, and draw its best, worst and most doubtful candidates.

python examples/score_simulated_night.py [mosaic.png]
"""

import sys

import space2vec as s2v

path = sys.argv[1] if len(sys.argv) > 1 else "mosaic.png"
night = s2v.simulate(600, seed=42)
scores = s2v.load("default").score(night.stamps)
print(s2v.evaluation.evaluate(scores.score, night.labels))
s2v.plot.mosaic(night.stamps, scores, rows=3, path=path)
print(f"mosaic in {path}")
