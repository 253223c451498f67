"""The project's own users, and what they buy."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Somebody with an account. Admit reads it and changes nothing in it."""

    is_clerk = models.BooleanField(default=False)
    email_confirmed = models.BooleanField(default=False)


class Order(models.Model):
    """Something that was bought."""

    customer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="orders")
    what = models.CharField(max_length=200)
