"""What tests share: engines, factories and doubles."""
