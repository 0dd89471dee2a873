"""What an admin sees and does: monitor, metrics, alerts, failures, suppressions."""
