"""What turns the operations into a system: templates, state machines and the local runtime."""
