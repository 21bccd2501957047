"""Prove who calls: tokens, their keys, and the authorizer of all routes."""
