"""Django's admin over the project's users."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from shop.models import User

admin.site.register(User, UserAdmin)
