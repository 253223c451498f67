"""Endpoints: one file each, named as its URL. Each offers `routes(app)`, the rows of the dispatcher's table."""
