"""What people said yes to: remembered for each user, client and audience, asked again only for what is new.

`records` frozen values · `rules` who is remembered, and what is still to be asked (pure) · `store` table and SQL ·
`transactions` the steps that belong into others · `driver` the class `Consents`.
"""
