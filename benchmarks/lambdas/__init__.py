"""Functions on AWS Lambda: ours, other ways to write them, and what stands in for AWS."""
