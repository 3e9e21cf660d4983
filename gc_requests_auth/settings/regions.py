"""The regions of Genesys Cloud: the table, and every way people name a row of it.

Source of the table: the region lists inside Genesys' own clients (Python SDK 269.0.0
``purecloud_region_hosts.py``, JavaScript SDK 262.0.0, gc CLI ``config.go``, Terraform provider
``provider.go``), which agree on these 18. In each region the API is ``api.`` and the login service
``login.`` in front of the domain.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from ..errors import ConfigurationError
from ..util import SecretBox, plain


class Region:
    """One row: the AWS id, the short code, the domain, and the label of the sign-in page."""

    def __init__(self, aws: str, code: str, domain: str, label: str) -> None:
        self.aws = aws
        self.code = code
        self.domain = domain
        self.label = label


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


def _names(region: Region) -> tuple[str, ...]:
    """What people call a region, besides its domain."""
    place = region.label.rpartition("(")[2].removesuffix(")")
    return region.aws, region.code, region.label, place


_WITHOUT_SEPARATORS = str.maketrans("", "", " _(),-")


def _letters(name: str) -> str:
    """A name without case, accents and separators: ``EU_West_1`` and ``euwest1`` are one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return plain.translate(_WITHOUT_SEPARATORS)


@cache
def regions_by_name() -> dict[str, Region]:
    """The regions by each of their names. Made at the first use, since an import would be slow."""
    return {_letters(name): region for region in REGIONS for name in _names(region)}


#: Genesys adds regions below these domains, so a domain below them is accepted.
PARENTS = ("pure.cloud", "us-gov-pure.cloud", "eusc-pure.cloud")

#: Domains that pages on the web recommend and that are no region, and the region that is likely meant.
KNOWN_WRONG = {
    "mygenesyscloud.com": None,
    "genesys.cloud": None,
    "mypurecloud.ae": "mec1.pure.cloud",
    "euc1.pure.cloud": "mypurecloud.de",
    "apse2.pure.cloud": "mypurecloud.com.au",
}

#: Countries in whose domain people look for the region that serves them.
_COUNTRIES = {
    "au": "mypurecloud.com.au",
    "br": "sae1.pure.cloud",
    "ca": "cac1.pure.cloud",
    "ch": "euc2.pure.cloud",
    "in": "aps1.pure.cloud",
    "kr": "apne2.pure.cloud",
    "mx": "mxc1.pure.cloud",
    "sg": "apse1.pure.cloud",
    "uk": "euw2.pure.cloud",
    "us": "mypurecloud.com",
}

#: Such a domain, or a host below it, which belongs to the same owner.
_OF_A_COUNTRY = r"(?:.*\.)?(mypurecloud\.(?:(?:com?|org|net|gov|ac)\.)?([a-z]{2}|com|org|net|info))"

#: A text is likely a misspelling of another text if they are as alike as this (difflib: from 0 to 1).
#: The figure for domains is higher: with a lower figure, a real region looks like a misspelling of
#: another region.
_ALIKE, _ALIKE_DOMAIN = 0.75, 0.9

#: No top-level domain has more than 24 characters; a secret behind a dot has. No host has more than
#: 253 characters (RFC 1035), "api-downloads." in front of the domain included.
_DOMAIN = r"(?!.{240})(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,22}[a-z0-9])?"

#: What stands behind the code of a region in a misspelt domain: ``euw2.pure.com``, ``euw2-pure.cloud``.
#: Whoever registers such a domain would get the client secret.
_BEHIND_A_CODE = r"[.-]?(?:my)?pure(?:[.-]?cloud(?:\.[a-z]+){0,2}|(?:\.[a-z]+){1,2})"

#: What may be quoted at length: no label is as long as a secret, and nothing stands around it.
_QUOTABLE = r"(?i)(?:https?://)?(?:[a-z0-9-]{1,24}\.)+[a-z]{2,12}/?"

HOW_TO_FIND = (
    "To find your region, sign in to Genesys Cloud and look at the address bar:"
    " https://apps.mypurecloud.ie/ means region mypurecloud.ie."
)


def parse_region(name: str | SecretBox) -> str:
    """The domain of the region that a person means.

    :param name: An AWS id (``eu-west-1``, ``eu_west_1``), a short code (``EUW2``), a label
        (``Dublin``), a domain, one of the region's hosts, or a whole URL.
    :raises ConfigurationError: if it is no region, or is likely meant to be another one.
    """
    domain, problem = _judged(name)
    if problem is not None:
        raise ConfigurationError(f"{problem} {HOW_TO_FIND}")
    return domain


def _judged(name: str | SecretBox) -> tuple[str, str | None]:
    """The domain and None, or an empty text and what is wrong.

    Raises nothing: the name may be a secret by mistake, and this frame holds it.
    """
    name = plain(name)
    # 300 characters are more than a domain and a service in front of it have.
    key = name.strip().lower()[:300]
    # Architect Scripting writes prod-euw1, and str() of the Python SDK PureCloudRegionHosts.eu_west_1.
    key = re.sub(r"^(?:purecloudregionhosts\.|prod[-_])", "", key)
    known = regions_by_name().get(_letters(key))
    domain = known.domain if known else _domain_in(key)
    if domain in DOMAINS:
        return domain, None
    wrong = known_wrong(domain)
    if wrong is not None:
        return "", wrong
    well_formed = re.fullmatch(_DOMAIN, domain)
    mistake = mistaken_domain(domain) or _below_a_region(domain)
    if not (well_formed and domain.endswith(tuple(f".{parent}" for parent in PARENTS))):
        mistake = mistake or _near_miss(domain)
    if mistake is None and well_formed:
        return domain, None
    return "", f"{_quoted(name)} is no region of Genesys Cloud. {mistake or _likely_name(key)}"


def known_wrong(domain: str) -> str | None:
    """Why the host is a mistake, as a sentence, if pages on the web recommend its domain; or None."""
    for wrong, likely in KNOWN_WRONG.items():
        if domain == wrong or domain.endswith(f".{wrong}"):
            remedy = f"; likely {likely} is meant." if likely else "."
            return f"{wrong} is no domain of the Genesys Cloud API, whatever the web says{remedy}"
    return None


def mistaken_domain(domain: str) -> str | None:
    """The likely domain, as a sentence, if this domain can be no region; None if it may be a region.

    A host there would get the client secret: ``mypurecloud.eu`` belongs to whoever registers it.
    """
    for parent in PARENTS:
        if not domain.endswith(f".{parent}"):
            continue
        named = regions_by_name().get(_letters(domain.removesuffix(f".{parent}")))
        if named is not None and domain != named.domain:
            return f"Did you mean {named.domain}? That is the domain of {named.aws}, {named.label}."
    foreign = re.fullmatch(_OF_A_COUNTRY, domain) if "mypurecloud." in domain else None
    if foreign is None or foreign[1] in DOMAINS:
        return None
    country = _COUNTRIES.get(foreign[2])
    return _did_you_mean([country] if country else _closest_of_mypurecloud(foreign[1]))


def _below_a_region(domain: str) -> str | None:
    """The same for a host below the domain of a region, such as ``eu.mypurecloud.com``."""
    likely = [region.domain for region in REGIONS if domain.endswith(f".{region.domain}")]
    return _did_you_mean(likely) if likely else None


def _near_miss(domain: str) -> str | None:
    """The same for a domain that is misspelt; None if the domain is like no region.

    The rules are narrow on purpose: judged by likeness alone, most real regions would be refused as
    misspellings of each other.
    """
    labels = domain.split(".")
    for region in REGIONS:
        code, _, rest = domain.partition(region.code)
        if not code and re.fullmatch(_BEHIND_A_CODE, rest):
            return _did_you_mean([region.domain])
    if domain in PARENTS:
        return f"The name of a region stands in front of {domain}, as in euw2.pure.cloud."
    if labels[0] == "mypurecloud":
        return _did_you_mean(_closest_of_mypurecloud(domain))
    if len(labels) == 2 and _closest(labels[0], ["mypurecloud"], _ALIKE_DOMAIN):
        return _did_you_mean(_closest_of_mypurecloud(f"mypurecloud.{labels[1]}"))
    for start in range(len(labels)):
        for parent in _closest(".".join(labels[start:]), PARENTS, _ALIKE_DOMAIN):
            meant = ".".join([*labels[:start], parent])
            return _did_you_mean(
                [meant if re.fullmatch(_QUOTABLE, meant) else f"a region below {parent}"]
            )
    return None


def _likely_name(key: str) -> str:
    """The regions whose id, code or place is most like the text, as a sentence; or all regions."""
    by_name = {name.lower(): one for one in REGIONS for name in _names(one)}
    likely = _closest(key.replace("_", "-"), by_name, _ALIKE)
    if likely:
        regions = dict.fromkeys(by_name[name] for name in likely)
        return _did_you_mean([f"{one.aws} for {one.label}" for one in regions])
    known = ", ".join(f"{one.aws} for {one.label}" for one in REGIONS)
    return f"Regions are {known}. Name a newer region by its domain."


def _closest_of_mypurecloud(domain: str) -> list[str]:
    ours = [one for one in sorted(DOMAINS) if one.startswith("mypurecloud.")]
    return _closest(domain, ours, _ALIKE_DOMAIN) or [*ours, "a region below pure.cloud"]


def _closest(word: str, names: Iterable[str], least: float) -> list[str]:
    """The names that are most like a word, if they are alike enough; several if they are equally so."""
    from difflib import SequenceMatcher  # for a refusal alone

    likeness = {name: SequenceMatcher(None, name, word[:80]).ratio() for name in names}
    best = max(likeness.values())
    return [name for name, one in likeness.items() if one == best >= least]


def _did_you_mean(likely: list[str]) -> str:
    return f"Did you mean {' or '.join(likely)}?"


def _domain_in(text: str) -> str:
    """The domain within a URL, a host or a domain."""
    host = re.split(r"[/?#\\]", re.sub(r"^https?://", "", text), maxsplit=1)[0]
    host = re.sub(r":\d*$", "", host).removesuffix(".")
    return re.sub(r"^(?:api-downloads|login|apps|api)\.", "", host)


def _quoted(name: str) -> str:
    """The name for a message, unless it could be a secret in the wrong argument."""
    quotable = re.fullmatch(_QUOTABLE, name) if len(name) > 20 else "@" not in name
    if quotable and len(name) <= 60:
        return ascii(name)
    return "What is given as region"
