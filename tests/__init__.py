"""Tests, and what they share: `fixtures` (servers, browser), `plugins` (evidence), `twins` (defences taken out)."""
