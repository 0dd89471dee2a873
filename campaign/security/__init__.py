"""Encryption, signed tokens and the keys behind them."""
