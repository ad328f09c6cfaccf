"""One command for each question: `python -m benchmarks.operations`; `make bench` runs all.

    operations    how many operations a second, next to PocketBase
    searching     how many searches, next to PocketBase
    pulling       how long a first pull takes, and one that finds nothing
    starting      how long until the first answer, and what an idle server holds in memory
    stalls        how long the slowest answers take at half of what is possible
    overload      what happens at twice what is possible
    growth        what more records, identities, members and waiting work change
    handlers      what a handler itself costs, next to other ways to write one on AWS Lambda
    cold_start    how long a function takes from its process's start to its first answer
    rebuilding    how long an index takes to be made anew, and what memory
    distances     what a search by distance costs in a data folder
    search_adapters  what the adapter of a search engine costs over the engine itself
    aws_growth    what users cost on AWS, and what gives way first: computed, not measured

`plots` draws what they wrote.
"""
