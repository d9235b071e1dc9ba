"""What stands along a street."""
