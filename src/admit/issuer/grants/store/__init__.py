"""Tables and SQL of grants, one file a table."""
