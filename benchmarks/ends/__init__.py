"""How many log-outs a deployment takes, and what telling verifiers of them costs the issuer."""
