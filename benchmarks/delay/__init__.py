"""How long a token lives on after its log-out was answered, at many verifiers."""
