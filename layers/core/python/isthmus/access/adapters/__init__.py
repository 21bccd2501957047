"""Where the keys of access tokens are: in a file, or in AWS KMS."""
