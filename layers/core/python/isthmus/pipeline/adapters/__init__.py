"""The engine behind the Sql port."""
