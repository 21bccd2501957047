"""The chain pipeline, stage by stage."""
