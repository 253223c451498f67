"""Each file moves the schema one step on. A released one is never edited."""
