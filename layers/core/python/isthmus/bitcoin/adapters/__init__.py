"""Real nodes behind the BitcoinNode port."""
