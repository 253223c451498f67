"""Other people's implementations beside this one: each verifies what the other signs."""
