"""The regions of Genesys Cloud: the table, and every way people name a row of it.

Source of the table: the region lists inside Genesys' own clients (Python SDK 269.0.0
``purecloud_region_hosts.py``, JavaScript SDK 262.0.0, gc CLI ``config.go``, Terraform provider
``provider.go``), which agree on these 18. In each region the API is ``api.`` and the login service
``login.`` in front of the domain.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import ConfigurationError
from ..util.secret import SecretBox, plain


class Region(NamedTuple):
    """One row: the AWS id, the short code, the domain, and the label of the sign-in page."""

    aws: str
    code: str
    domain: str
    label: str


REGIONS = (
    Region("us-east-1", "use1", "mypurecloud.com", "Americas (US East)"),
    Region("us-west-2", "usw2", "usw2.pure.cloud", "Americas (US West)"),
    Region("us-east-2", "use2", "use2.us-gov-pure.cloud", "FedRAMP (US East 2)"),
    Region("ca-central-1", "cac1", "cac1.pure.cloud", "Americas (Canada)"),
    Region("sa-east-1", "sae1", "sae1.pure.cloud", "Americas (Sao Paulo)"),
    Region("mx-central-1", "mxc1", "mxc1.pure.cloud", "Americas (Mexico)"),
    Region("eu-west-1", "euw1", "mypurecloud.ie", "EMEA (Dublin)"),
    Region("eu-west-2", "euw2", "euw2.pure.cloud", "EMEA (London)"),
    Region("eu-central-1", "euc1", "mypurecloud.de", "EMEA (Frankfurt)"),
    Region("eu-central-2", "euc2", "euc2.pure.cloud", "EMEA (Zurich)"),
    Region("eusc-de-east-1", "edee1", "edee1.eusc-pure.cloud", "European Sovereign Cloud"),
    Region("me-central-1", "mec1", "mec1.pure.cloud", "EMEA (UAE)"),
    Region("ap-south-1", "aps1", "aps1.pure.cloud", "Asia Pacific (Mumbai)"),
    Region("ap-southeast-1", "apse1", "apse1.pure.cloud", "Asia Pacific (Singapore)"),
    Region("ap-southeast-2", "apse2", "mypurecloud.com.au", "Asia Pacific (Sydney)"),
    Region("ap-northeast-1", "apne1", "mypurecloud.jp", "Asia Pacific (Tokyo)"),
    Region("ap-northeast-2", "apne2", "apne2.pure.cloud", "Asia Pacific (Seoul)"),
    Region("ap-northeast-3", "apne3", "apne3.pure.cloud", "Asia Pacific (Osaka)"),
)

DOMAINS = frozenset(region.domain for region in REGIONS)

_BY_NAME = {name: region.domain for region in REGIONS for name in (region.aws, region.code)}

#: Genesys adds regions below these, so what lies there is believed.
PARENTS = ("pure.cloud", "us-gov-pure.cloud", "eusc-pure.cloud")

#: Domains the web recommends that are no region of Genesys Cloud, and the likely one.
KNOWN_WRONG = {
    "mygenesyscloud.com": None,
    "genesys.cloud": None,
    "mypurecloud.ae": "mec1.pure.cloud",
    "euc1.pure.cloud": "mypurecloud.de",
    "apse2.pure.cloud": "mypurecloud.com.au",
}

#: What a person pastes in front of the domain.
_SERVICES = ("api-downloads.", "login.", "apps.", "api.")

#: No top-level domain has more than 24 characters; a secret behind a dot has. And no host has more
#: than 253 (RFC 1035), "api-downloads." in front of it included.
_DOMAIN = re.compile(
    r"(?!.{240})(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,22}[a-z0-9])?"
)

#: What may be quoted at length: no label is as long as a secret, and nothing stands around it.
_QUOTABLE = re.compile(r"(?:https?://)?(?:[a-z0-9-]{1,24}\.)+[a-z]{2,12}/?", re.IGNORECASE)

HOW_TO_FIND = (
    "To find yours, sign in to Genesys Cloud and look at the address bar:"
    " https://apps.mypurecloud.ie/ means region mypurecloud.ie."
)


def parse_region(name: str | SecretBox) -> str:
    """The domain of the region a person means.

    :param name: An AWS id (``eu-west-1``, ``eu_west_1``), a short code (``EUW2``), a domain, one
        of the region's hosts, or a whole URL.
    :raises ConfigurationError: if it is no region, or is likely meant to be another one.
    """
    domain, problem = _judged(name)
    if problem is not None:
        raise ConfigurationError(f"{problem} {HOW_TO_FIND}")
    return domain


def _judged(name: str | SecretBox) -> tuple[str, str | None]:
    """The domain, or what is wrong. Raises nothing: the name may be a secret by mistake."""
    # Longer than a service in front of any domain: what is cut here is too long, not another one.
    name = plain(name)
    key = name.strip().lower()[:300]
    domain = _BY_NAME.get(key.replace("_", "-")) or _domain_in(key)
    if domain in DOMAINS:
        return domain, None
    wrong = known_wrong(domain)
    if wrong is not None:
        return "", wrong
    if any(domain.endswith(f".{parent}") for parent in PARENTS) and _DOMAIN.fullmatch(domain):
        return domain, None
    likely = _near_miss(domain)
    if likely is not None:
        return (
            "",
            f"{_quoted(name)} is no region of Genesys Cloud; it looks like {likely} misspelt.",
        )
    if not _DOMAIN.fullmatch(domain):
        known = ", ".join(region.aws for region in REGIONS)
        return "", (
            f"{_quoted(name)} names no region of Genesys Cloud. Known are {known}; a newer one goes"
            " by its domain."
        )
    return domain, None


def known_wrong(domain: str) -> str | None:
    """The sentence that tells why a host at or below such a domain is a mistake; None if it is not."""
    for wrong, likely in KNOWN_WRONG.items():
        if domain == wrong or domain.endswith(f".{wrong}"):
            remedy = f"; likely {likely} is meant." if likely else "."
            return f"{wrong} is no domain of the Genesys Cloud API, whatever the web says{remedy}"
    return None


def _domain_in(text: str) -> str:
    """The domain within a URL, a host or a domain."""
    host = re.split(r"[/?#\\]", re.sub(r"^https?://", "", text), maxsplit=1)[0]
    host = re.sub(r":\d*$", "", host).removesuffix(".")
    for service in _SERVICES:
        if host.startswith(service):
            return host.removeprefix(service)
    return host


def _near_miss(domain: str) -> str | None:
    """The domain, or pattern of domains, that this one misspells; None if it is a stranger.

    Deliberately narrow: judged by plain edit distance, most real regions would be refused as
    misspellings of each other.
    """
    labels = domain.split(".")
    if domain in PARENTS:
        return f"a region below {domain}, as in euw2.pure.cloud,"
    if labels[0] == "mypurecloud":
        return None if re.fullmatch(r"[a-z]{2}", labels[-1]) else "mypurecloud.com"
    if len(labels) == 2 and _edits(labels[0], "mypurecloud") <= 2:
        right = f"mypurecloud.{labels[1]}"
        return right if right in DOMAINS else "mypurecloud.com"
    for start in range(len(labels)):
        tail = ".".join(labels[start:])
        for parent in PARENTS:
            if tail != parent and _edits(tail, parent) <= 1:
                meant = ".".join([*labels[:start], parent])
                return meant if _QUOTABLE.fullmatch(meant) else f"a region below {parent}"
    return None


def _edits(left: str, right: str) -> int:
    """Levenshtein's distance; 9 at once where the lengths alone make it large."""
    if abs(len(left) - len(right)) > 2:
        return 9
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def _quoted(name: str) -> str:
    """The name for a message; not if it could be a secret that strayed into the wrong argument."""
    quotable = _QUOTABLE.fullmatch(name) if len(name) > 20 else "@" not in name
    if quotable and len(name) <= 60:
        return ascii(name)
    return "What is given as region"
