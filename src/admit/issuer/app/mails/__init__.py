"""Mails as people see them: words in two languages, as plain text and as HTML that fetches nothing.

`render` words and templates · `message` headers and parts · `prepare` from a waiting mail to a message ·
`senders` which way it leaves.
"""
