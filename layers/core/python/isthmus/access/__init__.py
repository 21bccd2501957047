"""Who may do what: callers and how they prove who they are, policies, API keys and budgets."""
