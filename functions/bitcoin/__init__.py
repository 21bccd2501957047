"""What the Bitcoin node knows."""
