"""What we owe: planned messages, the delivery ledger, allowances and suppressions."""
