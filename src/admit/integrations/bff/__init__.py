"""The backend for a frontend (`admit.relying_party.Bff`) inside Starlette and FastAPI, Flask, and Django. Glue only."""
