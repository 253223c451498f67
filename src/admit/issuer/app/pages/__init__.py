"""The pages people see: frozen views in, HTML out. No I/O, no clock and no database; routes fill the views."""
