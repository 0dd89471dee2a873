"""What comes back: bounces, complaints and replies, by mail or by a provider's webhook."""
