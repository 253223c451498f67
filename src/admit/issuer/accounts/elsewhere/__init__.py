"""People whose accounts an application keeps: contracts §9.

What the application says of somebody is kept in the tables of accounts as it was last seen, so that sessions, grants,
second factors and pages know one kind of user. It is asked anew at each sign-in and refresh, and of who is signed in
every `accounts.recheck`; what is over there is ended here.

`protocol` what an application gives · `rules` the user that an account makes (pure) · `store`, `transactions` taking
over what is seen · `driver` the class `AccountsElsewhere`, which the issuer asks in the place of its own accounts.
"""
