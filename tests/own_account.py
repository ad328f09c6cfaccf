"""`make test-aws`: the suites of the AWS adapters against the caller's own account.

Everything they need they create, under names that begin with `homeport-`, and remove. What that
costs is cents. Without the settings nothing is done, and what to set is told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "aws"
SUITES: Final = (
    *map(str, sorted([*FOLDER.glob("test_record_store*.py"), *FOLDER.glob("test_identity*.py")])),
    f"{FOLDER}/test_message_queue.py::TestInRealTime",
    f"{FOLDER}/test_parked_letters.py::test_letters_of_both_places_in_real_time",
    f"{FOLDER}/own_account_suites.py",
)
_SETTINGS: Final = """\
make test-aws creates tables, queues and a bucket in your AWS account, and removes them. Set:
  HOMEPORT_TEST_AWS=1                      to say that you want that
  AWS_REGION                               where
  AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
                                           as whom; it may do all of dynamodb, sqs and s3 there
  HOMEPORT_TEST_CLOUDSEARCH_SEARCH, HOMEPORT_TEST_CLOUDSEARCH_DOCUMENT
                                           a CloudSearch domain's endpoints, if you have one with
                                           Homeport's index fields; else its suite is left out
"""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """The exit code: pytest's, or 2 where a setting is missing."""
    if environ.get("HOMEPORT_TEST_AWS") != "1":
        sys.stderr.write(_SETTINGS)
        return 2
    from homeport.adapters.aws.clients import Clients
    from homeport.entrypoints.cli.aws_checks import Account
    from homeport.entrypoints.cli.checks import Status

    (account,) = Account(Clients()).look()
    if account.status is not Status.OK:
        sys.stderr.write(f"{account.detail} {account.cure}\n\n{_SETTINGS}")
        return 2
    sys.stderr.write(f"In the account {account.detail}.\n")
    import pytest

    return int(pytest.main([*SUITES, *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
