"""One module an integration. How to add one is told in `tests/contract/adapter.py`."""
