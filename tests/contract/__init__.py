"""One suite of behaviour for every integration, once by session and once by token."""
