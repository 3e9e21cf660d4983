"""``gc-requests-auth check``: what is printed, and the exit status."""

from __future__ import annotations

import sys

from ...errors import ConfigurationError
from ...settings.client import Settings
from . import find_region
from .call import Call
from .find_region import ask_regions, verdict
from .origins import credentials_found, misconfigured, read_settings
from .report import Step, Trouble, as_json, causes_in, listed, status_of, wrapped
from .walk import Walk


def check(given: Settings, call: Call | None, *, json: bool) -> int:
    """Walk the way a request walks, a line a step; the exit status.

    :param given: What the options say; the rest comes from the environment.
    :param call: What to call at the end, if anything.
    """
    steps = []
    for step in Walk(given, call=call).steps():
        steps.append(step)
        if not json:
            print(step, flush=True)
    return _report(steps, call, json=json)


def search(given: Settings, names: str | None, *, json: bool) -> int:
    """Ask the regions which of them knows the client; the exit status.

    :param names: Of the regions to ask, with commas between; None for all commercial ones.
    """
    try:
        domains = find_region.COMMERCIAL if names is None else find_region.named(names)
        identity, _ = credentials_found(given, read_settings(given))
    except ConfigurationError as error:
        return not_begun(misconfigured(error), json=json)
    except Trouble as trouble:
        return not_begun(trouble, json=json)
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


def not_begun(trouble: Trouble, *, json: bool) -> int:
    """Report what ends it before anything is asked."""
    step = Step("settings", trouble.finding, 0.0, trouble.details, trouble=trouble)
    if not json:
        print(step)
    return _report([step], None, json=json)


def _report(steps: list[Step], call: Call | None, *, json: bool) -> int:
    status, causes = status_of(steps), causes_in(steps)
    if json:
        print(as_json(status, causes, steps=[step.told() for step in steps]))
    elif causes:
        several = "Likely causes, the likeliest first" if len(causes) > 1 else "Cause"
        print(f"\n{several}:\n{listed(causes)}")
    elif call is not None and not call.is_sent:
        print("\nThis client can sign in. The call was not sent: add --send to send it.")
    else:
        outcome = "" if call is None else ", and the call is answered"
        print(f"\nAll is well: this client can sign in and call the API from here{outcome}.")
    return status
