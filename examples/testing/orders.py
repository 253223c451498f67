"""The API under test, as it is deployed."""

from typing import Annotated

from fastapi import FastAPI

from admit import Principal, TrustedIssuer, Verifier
from admit.integrations.fastapi import Guard

app = FastAPI()
guard = Guard(Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com")))


@app.get("/orders")
async def orders(who: Annotated[Principal, guard("orders:read")]) -> list[str]:
    return [f"an order of {who.subject}"]


@app.delete("/orders", dependencies=[guard(role="admin")])
async def forget() -> None:
    """Only admins may."""
