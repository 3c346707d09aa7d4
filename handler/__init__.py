"""The Lambda package: a DynamoDB stream in, a Momento cache kept true."""
