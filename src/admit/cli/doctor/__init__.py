"""`admit doctor`: is all well with this deployment? What is not, why it matters, and how to mend it.

`findings` what is found and how it is shown · `settings` what the settings say · `files` who may read and write what ·
`tls` the certificate · `database` its settings, its clock, keys and revocations in it · `running` how a request reaches
the issuer · `command`.
"""

from admit.cli.doctor.command import doctor, findings_of

__all__ = ["doctor", "findings_of"]
