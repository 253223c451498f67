"""What a guard costs in each framework, beside the bare route and beside what else protects APIs there."""
