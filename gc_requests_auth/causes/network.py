"""No answer came: names, connections, TLS and proxies on the way to a host."""

from __future__ import annotations

from ..settings.regions import HOW_TO_FIND
from .failure import Cause, Failure

_FIREWALL = Cause(
    "A firewall on the way, or a proxy that is needed and not set",
    "Ask what way out this machine has: HTTPS_PROXY, or an exception for {target}.",
)

_DOWN = Cause("{host} is down, or is not the host that is meant", "Try again later.")

_PROXY_TO_SET = Cause(
    "The way out is a proxy, which is not set here",
    "Set HTTPS_PROXY; the proxy then resolves the name.",
)

_NO_DNS = Cause(
    "This machine reaches no DNS server, or none that knows the world outside",
    "Try the name of another site; check the network and the VPN.",
)

NO_ADDRESS = Failure(
    "no-address",
    "{host} has no address: name resolution failed",
    (
        Cause("The region or the URL is misspelt, and there is no such host", HOW_TO_FIND),
        _NO_DNS,
        _PROXY_TO_SET,
    ),
    sign="Name resolution fails.",
)

#: The same for a host of the table of regions, which is there.
NO_ADDRESS_OF_KNOWN_HOST = NO_ADDRESS._replace(
    name="no-address-of-known-host",
    causes=NO_ADDRESS.causes[1:],
    sign="Name resolution fails for a host of a known region.",
)

NO_ADDRESS_OF_PROXY = Failure(
    "no-address-of-proxy",
    "{host} has no address, and it is the proxy",
    (
        Cause(
            "The name of the proxy is wrong, or known in another network only",
            "Compare HTTPS_PROXY with a machine where it works.",
        ),
    ),
    sign="Name resolution fails for the host in HTTPS_PROXY.",
)

NOT_REACHED = Failure(
    "not-reached",
    "{host} can not be reached",
    (_FIREWALL, _DOWN),
    sign="The connection is refused, dropped, or not taken in time.",
)

STALLED = Failure(
    "stalled",
    "{host} did not answer in time",
    (
        Cause(
            "A server, a proxy or a firewall on the way takes the connection and then stalls",
            "Try again later, and from another network.",
        ),
    ),
    sign="The connection is there, and no answer comes.",
)

PROXY_REFUSES = Failure(
    "proxy-refuses",
    "{proxy} does not lead to {target}",
    (
        Cause(
            "The proxy does not let this program through to {target}",
            "Ask those who run the proxy to allow CONNECT to {target}; if the proxy wants a user"
            " and a password, they belong into the URL in HTTPS_PROXY.",
        ),
        Cause(
            "It is not the proxy to use, or not for this host",
            "Compare HTTPS_PROXY and NO_PROXY with a machine where it works.",
        ),
    ),
    sign="The proxy refuses CONNECT, or can not be reached.",
)

NO_SOCKS = Failure(
    "no-socks",
    "requests can not speak to a SOCKS proxy here",
    (
        Cause(
            "The proxy speaks SOCKS, and what requests needs for that is not installed",
            "Install it: pip install 'requests[socks]'",
        ),
    ),
    sign="The proxy URL begins with socks.",
)

NOT_TRUSTED = Failure(
    "certificate-not-trusted",
    "TLS is intercepted, or the CA is not known here: the certificate is issued by {issuer}",
    (
        Cause(
            "A company proxy or a virus scanner opens TLS, and its CA is not trusted here",
            "Get its CA certificate as a PEM file, and point REQUESTS_CA_BUNDLE at the file.",
        ),
        Cause(
            "The CAs to trust are not the right ones ({trusted})",
            "Unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, or renew the file; update certifi.",
        ),
    ),
    sign="OpenSSL does not trust the certificate.",
)

OUT_OF_DATE = Failure(
    "certificate-out-of-date",
    "the certificate of {host} is out of date, or the clock here is; it is issued by {issuer}",
    (
        Cause("The clock of this machine is wrong", "Set the clock, by NTP for instance."),
        Cause("The certificate has expired", "Tell those who run the host or the proxy."),
    ),
    sign="OpenSSL says that the certificate has expired, or is not yet valid.",
)

OTHER_HOST = Failure(
    "certificate-of-other-host",
    "the certificate is not that of {host}; it is issued by {issuer}",
    (
        Cause(
            "The name leads to another server, or a gateway shows its own certificate",
            "Compare the host with what those who run the gateway say.",
        ),
    ),
    sign="OpenSSL says that the certificate is for another name.",
)

NETWORK = (
    NO_ADDRESS,
    NO_ADDRESS_OF_KNOWN_HOST,
    NO_ADDRESS_OF_PROXY,
    NOT_REACHED,
    STALLED,
    PROXY_REFUSES,
    NO_SOCKS,
    NOT_TRUSTED,
    OUT_OF_DATE,
    OTHER_HOST,
)
