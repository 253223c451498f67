"""Two pages: a door, and what only somebody who is signed in may see."""

from django.http import HttpResponse, JsonResponse
from django.utils.html import format_html

from admit.integrations.django import AdmitRequest, requires
from shop.models import Order


async def home(request: AdmitRequest) -> HttpResponse:
    """Who is here."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse('<p>Nobody is signed in.</p><p><a href="/auth/login">Sign in</a></p>')
    return HttpResponse(
        format_html(
            "<p>Hello, {}.</p><p><a href='/orders/'>Orders</a> <a href='/auth/account'>Account</a></p>",
            user.get_full_name() or user.username,
        )
    )


@requires("orders:own")
async def orders(request: AdmitRequest) -> JsonResponse:
    """One's own orders, or everybody's for a clerk: by Admit's session in a browser, by a token from the phone."""
    who = await request.aprincipal()
    found = Order.objects.select_related("customer")
    if "orders:all" not in who.scopes:
        found = found.filter(customer=await request.auser())
    return JsonResponse({"orders": [{"who": one.customer.username, "what": one.what} async for one in found]})
