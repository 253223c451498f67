"""pytest plugins of this repository."""
