"""``gc-requests-auth check``: what is printed, and the exit status."""

from __future__ import annotations

import sys

from ...errors import ConfigurationError
from ...settings.credentials import Settings
from ...util.secret import ABSENT
from . import find_region
from .find_region import ask_regions, verdict
from .origins import credentials_found, misconfigured, read_settings
from .report import Step, Trouble, as_json, causes_in, listed, status_of, wrapped
from .walk import Walk

#: Seconds to connect and to read, as an auth has them by default.
TIMEOUT = (5.0, 15.0)


def check(*, profile: str | None, json: bool) -> int:
    """Walk the way a request walks, a line a step; the exit status.

    :param profile: Of the gc CLI, in place of the environment.
    """
    try:
        given = settings(profile)
    except ConfigurationError as error:
        return _not_begun(misconfigured(error), json=json)
    steps = []
    for step in Walk(given).steps():
        steps.append(step)
        if not json:
            print(step, flush=True)
    return _report(steps, json=json)


def search(names: str | None, *, profile: str | None, json: bool) -> int:
    """Ask the regions which of them knows the client; the exit status.

    :param names: Of the regions to ask, with commas between; None for all commercial ones.
    """
    try:
        domains = find_region.COMMERCIAL if names is None else find_region.named(names)
        given = settings(profile)
        identity, _ = credentials_found(given, read_settings(given))
    except ConfigurationError as error:
        return _not_begun(misconfigured(error), json=json)
    except Trouble as trouble:
        return _not_begun(trouble, json=json)
    # Beforehand, also where the answer goes to a machine.
    announced = wrapped(find_region.announcement(identity, domains), indent=0)
    print(announced, file=sys.stderr if json else sys.stdout, flush=True)
    answers = []
    for answer in ask_regions(identity, domains, find_region.login_url_of):
        answers.append(answer)
        if not json:
            print(answer, flush=True)
    region, status, causes = verdict(answers)
    if json:
        regions = [
            {
                "region": one.domain,
                "accepts": one.error is None,
                "finding": one.finding,
                "seconds": round(one.seconds, 3),
            }
            for one in answers
        ]
        print(as_json(status, causes, region=region, regions=regions))
    else:
        print(f"\n{listed(causes)}")
    return status


def settings(profile: str | None) -> Settings:
    """As of an auth with no other argument: all else comes from the environment."""
    return Settings.checked(ABSENT, ABSENT, None, profile, None, None, None, TIMEOUT)


def _not_begun(trouble: Trouble, *, json: bool) -> int:
    """Report what ends it before anything is asked."""
    step = Step("settings", trouble.finding, 0.0, trouble.details, trouble=trouble)
    if not json:
        print(step)
    return _report([step], json=json)


def _report(steps: list[Step], *, json: bool) -> int:
    status, causes = status_of(steps), causes_in(steps)
    if json:
        print(as_json(status, causes, steps=[step.told() for step in steps]))
    elif causes:
        print(f"\nLikely causes, the likeliest first:\n{listed(causes)}")
    else:
        print("\nAll is well: this client can sign in and call the API from here.")
    return status
