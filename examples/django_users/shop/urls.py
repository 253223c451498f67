"""What Django answers; /auth is Admit's, see asgi.py."""

from django.contrib import admin
from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home),
    path("orders/", views.orders),
    path("admin/", admin.site.urls),
]
