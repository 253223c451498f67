"""The attacks, by what they are made on. To import them is to put them on the list."""

from scripts.attack.tries import tokens, grants, requests, browsers, people, ends  # noqa: F401, I001  # their order is the table's
