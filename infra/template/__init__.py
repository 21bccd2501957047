"""All that is derived from the catalogue: the deployment's template, the OpenAPI document and the reference pages.

`python -m infra.template` writes all of it, `python -m infra.template --check` says what is out of date. What the
catalogue cannot know (tables, buckets, parameters) stands in `base.yaml`, written by hand.
"""
