"""The steps themselves, oldest first."""
