"""Bundles: a folder with all that one function needs on AWS Lambda, and nothing else.

    contents.py        what a function needs: adapters, packages, services of AWS
    distributions.py   installed packages, what they need in turn, and their files
    fetching.py        packages for another machine or another Python, through pip
    service_data.py    the part of botocore's data that is needed
    bytecode.py        the target's Python, and what it compiles
    bundle.py          puts it all into a folder
    faults.py          why one cannot be made

The same versions give the same bytes, whenever and wherever a bundle is made.
"""
