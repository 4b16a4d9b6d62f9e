"""Models: forests and networks that score candidates, loaded by the name of a packaged model or from a file."""
