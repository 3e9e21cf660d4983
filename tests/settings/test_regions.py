"""regions.py: the table, every way to name a row of it, and what is refused with the likely one."""

from __future__ import annotations

import re

import pytest

from gc_requests_auth.errors import ConfigurationError
from gc_requests_auth.settings import regions
from gc_requests_auth.settings.hosts import base_url
from gc_requests_auth.settings.regions import (
    HOW_TO_FIND,
    KNOWN_WRONG,
    PARENTS,
    REGIONS,
    parse_region,
)

#: What Genesys' own clients agree on, written down a second time.
ESTABLISHED = {
    "us-east-1": "mypurecloud.com",
    "us-west-2": "usw2.pure.cloud",
    "us-east-2": "use2.us-gov-pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
}


def refusal(name: str) -> str:
    """What is said about a name that is refused."""
    with pytest.raises(ConfigurationError) as caught:
        parse_region(name)
    assert HOW_TO_FIND in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return str(caught.value)


# -- the table ------------------------------------------------------------------------------------


def test_table_is_the_one_of_genesys_own_clients() -> None:
    assert {region.aws: region.domain for region in REGIONS} == ESTABLISHED
    assert len(REGIONS) == 18


@pytest.mark.parametrize("column", ["aws", "code", "domain", "label"])
def test_no_two_regions_share_a_name(column: str) -> None:
    assert len({getattr(region, column) for region in REGIONS}) == len(REGIONS)


def test_no_name_means_two_regions() -> None:
    names = [name for region in REGIONS for name in (region.aws, region.code, region.domain)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.aws)
def test_each_row_is_written_as_the_others(region: regions.Region) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+-[1-9]", region.aws)
    assert re.fullmatch(r"[a-z]{2,4}[a-z][1-9]", region.code)
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", region.domain)
    assert region.label.isascii()
    assert region.code[-1] == region.aws[-1]
    if not region.domain.startswith("mypurecloud."):
        code, _, parent = region.domain.partition(".")
        assert (code, parent in PARENTS) == (region.code, True)


def test_no_domain_of_the_table_is_known_wrong() -> None:
    assert not regions.DOMAINS & KNOWN_WRONG.keys()
    assert {likely for likely in KNOWN_WRONG.values() if likely} <= regions.DOMAINS


# -- what passes ----------------------------------------------------------------------------------

SPELLINGS = [
    "{aws}",
    "{aws_}",
    "{AWS}",
    "{AWS_}",
    "{code}",
    "{CODE}",
    "{domain}",
    "{DOMAIN}",
    "{domain}.",
    " {domain}\n",
    "\t{aws} ",
    "{domain}:443",
    "{domain}/",
    "login.{domain}",
    "api.{domain}",
    "apps.{domain}",
    "api-downloads.{domain}",
    "https://{domain}",
    "HTTPS://LOGIN.{DOMAIN}/",
    "http://login.{domain}",
    "https://login.{domain}/oauth/token",
    "https://api.{domain}/oauth/token",
    "https://api.{domain}/api/v2/users/me?expand=groups#here",
    "https://apps.{domain}/directory",
    "https://apps.{domain}/directory/#/admin?x=https://evil.example",
    "https://apps.{domain}:443/directory",
    "https://apps.{domain}?x",
    "https://apps.{domain}#x",
    "api.{domain}\\api\\v2",
    "https://api-downloads.{domain}./x",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.aws)
def test_every_region_is_understood_in_every_spelling(
    region: regions.Region, spelling: str
) -> None:
    names = {
        "aws": region.aws,
        "aws_": region.aws.replace("-", "_"),
        "code": region.code,
        "domain": region.domain,
    }
    names |= {name.upper(): value.upper() for name, value in names.items()}
    assert parse_region(spelling.format(**names)) == region.domain


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("eu-west-1", "mypurecloud.ie"),
        ("eu_west_1", "mypurecloud.ie"),
        ("EUW2", "euw2.pure.cloud"),
        ("mypurecloud.ie", "mypurecloud.ie"),
        ("login.mypurecloud.ie", "mypurecloud.ie"),
        ("https://api.mypurecloud.ie/oauth/token", "mypurecloud.ie"),
        ("https://apps.mypurecloud.ie/directory", "mypurecloud.ie"),
        ("EUC1", "mypurecloud.de"),  # the code, while euc1.pure.cloud is folklore
        ("apse2", "mypurecloud.com.au"),
    ],
)
def test_the_spellings_of_the_documentation(name: str, domain: str) -> None:
    assert parse_region(name) == domain


@pytest.mark.parametrize("parent", ["pure.cloud", "us-gov-pure.cloud", "eusc-pure.cloud"])
@pytest.mark.parametrize("new", ["afs1", "xx9", "a", "north-pole-1", "a.b"])
@pytest.mark.parametrize("spelling", ["{}", "https://api.{}/api/v2", "LOGIN.{}."])
def test_a_new_region_below_a_parent_of_genesys_passes(
    parent: str, new: str, spelling: str
) -> None:
    assert parse_region(spelling.format(f"{new}.{parent}")) == f"{new}.{parent}"


@pytest.mark.parametrize(
    "domain",
    [
        "inindca.com",
        "inintca.com",
        "genesys.example",
        "cloud.example",
        "gateway.example.com",
        "x.mypurecloud.ie.example",
        "mypure.cloud.example",
        "ourpurecloud.example",
        "xn--bcher-kva.example",
        "a.b.c.d.e",
        "my-purecloud-x.de",
        "pure.cloud.example",
        "use1things.example",
        "mypureclouds.example.com",
    ],
)
def test_any_other_well_formed_domain_passes(domain: str) -> None:
    assert parse_region(domain) == domain


# -- what does not --------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", ["pure.cloud", "us-gov-pure.cloud", "eusc-pure.cloud"])
@pytest.mark.parametrize("spelling", ["{}", "api.{}", "https://login.{}/oauth/token", "{}.", ".{}"])
def test_a_bare_parent_never_passes(parent: str, spelling: str) -> None:
    assert "no region" in refusal(spelling.format(parent))


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("mygenesyscloud.com", None),
        ("acme.mygenesyscloud.com", None),
        ("https://api.mygenesyscloud.com/api/v2", None),
        ("genesys.cloud", None),
        ("api.us.genesys.cloud", None),
        ("MYPURECLOUD.AE", "mec1.pure.cloud"),
        ("https://login.mypurecloud.ae", "mec1.pure.cloud"),
        ("euc1.pure.cloud", "mypurecloud.de"),
        ("https://login.euc1.pure.cloud/oauth/token", "mypurecloud.de"),
        ("x.euc1.pure.cloud", "mypurecloud.de"),
        ("apse2.pure.cloud", "mypurecloud.com.au"),
    ],
)
def test_known_wrong_domain_is_refused_with_the_likely_one(name: str, likely: str | None) -> None:
    said = refusal(name)
    assert "whatever the web says" in said
    assert (f"likely {likely} is meant" in said) if likely else ("likely" not in said)


@pytest.mark.parametrize("domain", ["notgenesys.cloud", "notmygenesyscloud.com"])
def test_what_only_ends_like_a_known_wrong_domain_is_a_stranger(domain: str) -> None:
    assert parse_region(domain) == domain


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        # mypurecloud. + a suffix that is not in the table
        ("mypurecloud.org", "mypurecloud.com"),
        ("mypurecloud.comm", "mypurecloud.com"),
        ("mypurecloud.con", "mypurecloud.com"),
        ("mypurecloud.ie.com", "mypurecloud.com"),
        ("mypurecloud.ie.example", "mypurecloud.com"),
        ("mypurecloud.c0", "mypurecloud.com"),
        ("mypurecloud", "mypurecloud.com"),
        ("https://apps.mypurecloud/", "mypurecloud.com"),
        # two labels, the first like mypurecloud
        ("mypurcloud.ie", "mypurecloud.ie"),
        ("mypurecluod.de", "mypurecloud.de"),
        ("mypureclouds.com", "mypurecloud.com"),
        ("purecloud.com", "mypurecloud.com"),
        ("purecloud.jp", "mypurecloud.jp"),
        ("purecloud.fr", "mypurecloud.com"),
        ("my-purecloud.ie", "mypurecloud.ie"),
        ("https://login.mypureclod.ie/oauth/token", "mypurecloud.ie"),
        # an end like a parent
        ("euw2.pure.clod", "euw2.pure.cloud"),
        ("euw2.pure.clouds", "euw2.pure.cloud"),
        ("euw2.purecloud", "euw2.pure.cloud"),
        ("euw2.puree.cloud", "euw2.pure.cloud"),
        ("euw2.pur.cloud", "euw2.pure.cloud"),
        ("use2.us-gov.pure.clod", "use2.us-gov-pure.cloud"),
        ("use2.us-govpure.cloud", "use2.us-gov-pure.cloud"),
        ("edee1.eusc_pure.cloud", "edee1.eusc-pure.cloud"),
        ("api.euw2.pure.cloudd", "euw2.pure.cloud"),
        # the code of a region in front of what is nobody's
        ("euw2.pure.com", "euw2.pure.cloud"),
        ("https://login.euw2.purecloud.com/oauth/token", "euw2.pure.cloud"),
        ("euw2.pure.cloud.com", "euw2.pure.cloud"),
        ("usw2-pure.cloud", "usw2.pure.cloud"),
        ("usw2.pure-cloud.com", "usw2.pure.cloud"),
        ("cac1.purecloud.ie", "cac1.pure.cloud"),
        ("euw1.purecloud.com", "mypurecloud.ie"),
        ("euw2.pure.co.uk", "euw2.pure.cloud"),
    ],
)
def test_near_miss_is_refused_with_the_likely_one(name: str, likely: str) -> None:
    assert re.search(rf"Did you mean (.* or )?{re.escape(likely)}[ ?]", refusal(name))


def test_longest_domain_that_every_service_fits_in_front_of_is_taken() -> None:
    longest = "a." * 114 + "example.com"
    assert len(f"api-downloads.{longest}") == 253
    assert parse_region(f"https://api-downloads.{longest}/{'x' * 999}") == longest


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        " ",
        ".",
        "/",
        "ireland",
        "eu-west",
        "eu-west-9",
        "localhost",
        "localhost:8443",
        "127.0.0.1",
        "[::1]",
        "https://",
        "https://[::1]:8443/",
        "//mypurecloud.ie",
        "ftp://mypurecloud.ie",
        "login..ie",
        "-a.example",
        "a-.example",
        "a_b.example",
        "a b.example",
        "exa\nmple.com",
        "user@mypurecloud.ie",
        "https://user:password@login.mypurecloud.ie/",
        "mypurecloud.\u0131e",
        "mypurecloud。ie",
        "..pure.cloud",
        "a_b.pure.cloud",
        "evil.example\x00.pure.cloud",
        "evil.example%2f.pure.cloud",
        "x" * 64 + ".example",
        "x" * 100_000,
        # A domain that no service fits in front of, and one that would be another one if it were cut.
        "a." * 115 + "example.ie",
        "https://api-downloads." + "a." * 114 + "example.ie.example",
        "a." * 125 + "example.ie.example",
        "$GENESYSCLOUD_REGION",
        "None",
    ],
    ids=lambda rubbish: ascii(rubbish)[:40],
)
def test_rubbish_is_refused(rubbish: str) -> None:
    said = refusal(rubbish)
    assert said.isascii()
    assert len(said) < 1000


@pytest.mark.parametrize(
    "name",
    [
        "https://bob:hunter2@api.mypurecloud.ie",
        "bob:hunter2@a.ie",
        "https://bob:hunter2@api.usw2.pure.clod",
        "a.hunter2_5xKqWvB8nRt3LmZp7YcD",
        "a.hunter2-5xKqWvB8nRt3LmZp7YcD",
        "hunter2-5xKqWvB8nRt3LmZp7YcD.pure.clod",
    ],
)
def test_what_may_hold_a_secret_is_not_quoted(name: str) -> None:
    said = refusal(name)

    assert said.startswith("What is given as region ")
    assert "hunter2" not in said


def test_a_long_name_is_quoted_if_it_looks_like_a_domain() -> None:
    assert refusal("https://apps.usw2.pure.clod/").startswith("'https://apps.usw2.pure.clod/' is")


def test_a_name_like_no_other_is_told_all_regions_with_their_labels() -> None:
    said = refusal("ireland")
    assert [one for one in REGIONS if f"{one.aws} for {one.label}" not in said] == []
    assert "Name a newer region by its domain." in said


#: What people write, and what comes of it: a region, or the question what was meant.
AS_PEOPLE_WRITE = [
    ("eu-west-11", "?eu-west-1 for EMEA (Dublin)"),
    ("eu-wst-1", "?eu-west-1 for EMEA (Dublin)"),
    ("eu-west", "?eu-west-1 for EMEA (Dublin) or eu-west-2 for EMEA (London)"),
    ("eu-central-3", "?eu-central-1 for EMEA (Frankfurt) or eu-central-2 for EMEA (Zurich)"),
    ("frankfort", "?eu-central-1 for EMEA (Frankfurt)"),
    ("euw", "?eu-west-1 for EMEA (Dublin) or eu-west-2 for EMEA (London)"),
    ("eu-central1", "mypurecloud.de"),
    ("euwest1", "mypurecloud.ie"),
    ("eu west 1", "mypurecloud.ie"),
    ("prod-euw1", "mypurecloud.ie"),
    ("prod_us_east_1", "mypurecloud.com"),
    ("PureCloudRegionHosts.eu_west_1", "mypurecloud.ie"),
    ("PureCloudRegionHosts.us_east_2", "use2.us-gov-pure.cloud"),
    ("Dublin", "mypurecloud.ie"),
    ("EMEA (Dublin)", "mypurecloud.ie"),
    ("Americas (S\u00e3o Paulo)", "sae1.pure.cloud"),
    ("Z\u00fcrich", "euc2.pure.cloud"),
    # A region whose domain is another one.
    ("use1.pure.cloud", "?mypurecloud.com"),
    ("euw1.pure.cloud", "?mypurecloud.ie"),
    ("https://login.apne1.pure.cloud/oauth/token", "?mypurecloud.jp"),
    ("us-east-1.pure.cloud", "?mypurecloud.com"),
    ("eu-west-2.pure.cloud", "?euw2.pure.cloud"),
    ("use2.pure.cloud", "?use2.us-gov-pure.cloud"),
    ("euw2.us-gov-pure.cloud", "?euw2.pure.cloud"),
    ("edee1.pure.cloud", "?edee1.eusc-pure.cloud"),
    # No host of a region.
    ("eu.mypurecloud.com", "?mypurecloud.com"),
    ("developer.mypurecloud.com", "?mypurecloud.com"),
    ("https://help.mypurecloud.com.au/articles", "?mypurecloud.com.au"),
    ("x.euw2.pure.cloud", "?euw2.pure.cloud"),
    ("api.apps.mypurecloud.ie", "?mypurecloud.ie"),
    # Whoever registers these would get the secret.
    ("mypurecloud.eu", "?mypurecloud.de or mypurecloud.ie"),
    ("https://login.mypurecloud.eu", "?mypurecloud.de or mypurecloud.ie"),
    ("login.x.mypurecloud.eu", "?mypurecloud.de or mypurecloud.ie"),
    (
        "mypurecloud.fr",
        "?mypurecloud.com or mypurecloud.com.au or mypurecloud.de or mypurecloud.ie",
    ),
    ("mypurecloud.au", "?mypurecloud.com.au"),
    ("mypurecloud.uk", "?euw2.pure.cloud"),
    ("mypurecloud.co.uk", "?euw2.pure.cloud"),
    ("mypurecloud.com.br", "?sae1.pure.cloud"),
    ("mypurecloud.us", "?mypurecloud.com"),
]


@pytest.mark.parametrize(("name", "outcome"), AS_PEOPLE_WRITE)
def test_what_people_write_is_understood_or_answered_with_the_likely_region(
    name: str, outcome: str
) -> None:
    if outcome.startswith("?"):
        assert f"is no region of Genesys Cloud. Did you mean {outcome[1:]}" in refusal(name)
    else:
        assert parse_region(name) == outcome


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.aws)
@pytest.mark.parametrize("parent", PARENTS)
@pytest.mark.parametrize("name", ["aws", "code"])
def test_a_region_has_one_domain_only(region: regions.Region, parent: str, name: str) -> None:
    domain = f"{getattr(region, name)}.{parent}"
    if domain == region.domain:
        assert parse_region(domain) == domain
    else:
        assert region.domain in refusal(domain)


@pytest.mark.parametrize("domain", sorted(set(regions._COUNTRIES.values())))
def test_a_country_is_served_by_a_region_of_the_table(domain: str) -> None:
    assert domain in regions.DOMAINS


@pytest.mark.parametrize("left_out", REGIONS, ids=lambda region: region.aws)
def test_a_region_the_table_lacks_passes_if_it_lies_below_a_parent(
    left_out: regions.Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How each region would have been treated before Genesys opened it; new ones all lie there."""
    rest = tuple(region for region in REGIONS if region is not left_out)
    names = {name: one for name, one in regions.regions_by_name().items() if one is not left_out}
    monkeypatch.setattr(regions, "REGIONS", rest)
    monkeypatch.setattr(regions, "DOMAINS", frozenset(region.domain for region in rest))
    monkeypatch.setattr(regions, "regions_by_name", lambda: names)
    login = f"https://login.{left_out.domain}/oauth/token"
    if left_out.domain.endswith(PARENTS):
        assert parse_region(left_out.domain) == parse_region(login) == left_out.domain
    else:
        assert "Did you mean" in refusal(left_out.domain)
        assert "Did you mean" in refusal(login)
    assert "is no region" in refusal(left_out.aws)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.aws)
def test_the_login_service_of_each_region_may_be_named_by_its_url(region: regions.Region) -> None:
    url = f"https://login.{region.domain}"
    assert base_url("login_url", url, suffix="/oauth/token") == url
