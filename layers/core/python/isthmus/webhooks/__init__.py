"""Webhooks: the journal's events, sent to whoever wants to be called, by the Standard Webhooks specification 1.0."""
