"""What the guard adds to a route."""
