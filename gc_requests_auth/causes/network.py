"""Failures that the request did not cause.

No answer came, another server answered, or the service is down.
"""

from __future__ import annotations

from ..settings.regions import HOW_TO_FIND
from .failure import WHERE_TO_ASK, Cause, Table

# -- no answer ------------------------------------------------------------------------------------

#: Rows of a call without an answer: names, connections, TLS, proxies.
NETWORK = Table()

_NO_DNS = Cause(
    "This machine reaches no DNS server, or none that knows public names",
    "Try the name of another site; check the network and the VPN.",
)

_PROXY_TO_SET = Cause(
    "This machine reaches the internet through a proxy only, and no proxy is set",
    "Set HTTPS_PROXY; the proxy then resolves the name.",
)

NO_ADDRESS = NETWORK.row(
    "no-address",
    "{host} has no address: name resolution failed",
    Cause("The region or the URL is misspelt, and there is no such host", HOW_TO_FIND),
    _NO_DNS,
    _PROXY_TO_SET,
    sign="Name resolution fails.",
)

#: Of a host in the table of regions: such a host exists.
NO_ADDRESS_OF_KNOWN_HOST = NETWORK.row(
    "no-address-of-known-host",
    NO_ADDRESS.finding,
    _NO_DNS,
    _PROXY_TO_SET,
    sign="Name resolution fails for a host of a known region.",
)

NO_ADDRESS_OF_PROXY = NETWORK.row(
    "no-address-of-proxy",
    "{host} can not be reached through {proxy}, whose name has no address",
    Cause(
        "The name of the proxy is wrong, or known in another network only",
        "Compare {setting} with a machine where it works.",
    ),
    Cause(
        "This machine reaches no DNS server",
        "Try the name of another host; check the network and the VPN.",
    ),
    sign="Name resolution fails for the host of the proxy.",
)

NOT_REACHED = NETWORK.row(
    "not-reached",
    "{host} can not be reached",
    Cause(
        "A firewall is in the way, or a proxy is needed and not set",
        "Ask the people who run the network for the proxy to set in HTTPS_PROXY, or for an exception"
        " for {target}.",
    ),
    Cause(
        "{host} is down, or the host name or the port is wrong",
        "Check the host name and the port, and try again later.",
    ),
    sign="The connection is refused, or not accepted in time.",
)

STALLED = NETWORK.row(
    "stalled",
    "{host} did not answer in time",
    cause="A server, a proxy or a firewall on the way accepts the connection and then does not answer",
    remedy="Try again later, and from another network.",
    sign="The connection is there, and no answer comes.",
)

DROPPED = NETWORK.row(
    "dropped",
    "{host} closed the connection before the answer was complete",
    cause="A server, a proxy or a firewall on the way closed the connection",
    remedy="Try again later, and from another network.",
    sign="The connection was there, and was closed or reset.",
)

NOT_HTTP = NETWORK.row(
    "not-http",
    "{host} does not answer in HTTP",
    Cause(
        "A proxy or a firewall on the way garbles the answer",
        "Try another network, and tell the people who run the proxy or the firewall.",
    ),
    Cause(
        "At this port, {host} speaks no HTTP",
        "Check the host name and the port.",
    ),
    sign="There is an answer, but no status line, or headers or chunks that nobody can read.",
)

BROKEN_ENCODING = NETWORK.row(
    "broken-encoding",
    "{host} answers with a broken Content-Encoding",
    cause="A server or a proxy on the way compresses the answer wrongly, or changes it",
    remedy="Try again from another network, and ask the people who run the proxy.",
    sign="The body is not compressed as the header Content-Encoding says.",
)

PROXY_REFUSES = NETWORK.row(
    "proxy-refuses",
    "{host} can not be reached through {proxy}, which answers {status}",
    Cause(
        "The proxy does not let this program through to {target}",
        "Ask the people who run the proxy to allow CONNECT to {target}.",
    ),
    Cause(
        "The proxy itself can not reach {target}",
        "Ask the people who run the proxy.",
    ),
    Cause(
        "This host needs another proxy, or none",
        "Compare {setting} and NO_PROXY with a machine where it works.",
    ),
    sign="The proxy refuses CONNECT.",
)

PROXY_NOT_REACHED = NETWORK.row(
    "proxy-not-reached",
    "{host} can not be reached through {proxy}, which does not answer",
    Cause(
        "The proxy is down, or the scheme, the host or the port in its URL is wrong",
        "Compare {setting} with a machine where it works.",
    ),
    Cause("This machine needs no proxy", "Unset {setting}."),
    sign="The connection to the proxy fails.",
)

PROXY_WITHOUT_TLS = NETWORK.row(
    "proxy-without-tls",
    "{host} can not be reached through {proxy}, which does not speak TLS itself",
    cause="The proxy is named with https, and takes http only",
    remedy="Name it with http in {setting}. What goes through the proxy is encrypted all the same.",
    sign="The proxy URL begins with https://, and the proxy answers without TLS.",
)

PROXY_URL = NETWORK.row(
    "proxy-url",
    "{host} can not be reached through the proxy, whose URL makes no sense",
    cause="{setting} is no URL of a proxy",
    remedy="Such a URL looks like http://proxy.example.com:3128; special characters in a user name or"
    " password are percent-encoded.",
    sign="The proxy URL can not be parsed, or begins with an unknown scheme.",
)

PROXY_PASSWORD = NETWORK.row(
    "proxy-password",
    "{host} got no request: the user name or the password of the proxy can not be sent",
    cause="{setting} holds a user name or a password with characters outside Latin-1",
    remedy="Have the password changed: requests sends the characters of Latin-1 alone.",
    sign="User or password in the proxy URL are outside Latin-1.",
)

NO_SOCKS = NETWORK.row(
    "no-socks",
    "{host} got no request: requests can not use a SOCKS proxy here",
    cause="The proxy speaks SOCKS, and what requests needs for that is not installed",
    remedy="Install it: pip install 'requests[socks]'",
    sign="The proxy URL begins with socks.",
)

NOT_TRUSTED = NETWORK.row(
    "certificate-not-trusted",
    "TLS is intercepted, or the CA is not known here: the certificate is issued by {issuer}",
    Cause(
        "A company proxy or a virus scanner opens TLS, and its CA is not trusted here",
        "Get its CA certificate as a PEM file, and point REQUESTS_CA_BUNDLE at the file.",
    ),
    Cause(
        "The CAs to trust are not the right ones ({trusted})",
        "Unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, or renew the file; update certifi.",
    ),
    sign="OpenSSL does not trust the certificate.",
)

OUT_OF_DATE = NETWORK.row(
    "certificate-out-of-date",
    "the certificate of {host} is out of date, or the clock here is wrong; the issuer is {issuer}",
    Cause("The clock of this machine is wrong", "Set the clock, by NTP for instance."),
    Cause(
        "The certificate has expired, or begins later",
        "Tell the people who run the host or the proxy.",
    ),
    sign="OpenSSL says that the certificate has expired, or is not yet valid.",
)

OTHER_HOST = NETWORK.row(
    "certificate-of-other-host",
    "the certificate is not that of {host}; the issuer is {issuer}",
    cause="The name leads to another server, or a gateway shows its own certificate",
    remedy="Ask the people who run the gateway for the right host.",
    sign="OpenSSL says that the certificate is for another name.",
)

NO_HANDSHAKE = NETWORK.row(
    "no-handshake",
    "{host} fails the TLS handshake ({reason})",
    Cause(
        "The host or the port of the URL is wrong, and no TLS server is there",
        "Compare the URL with a machine where it works.",
    ),
    Cause(
        "A proxy or a firewall on the way does not let TLS through",
        "Ask the people who run the network.",
    ),
    Cause(
        "The server wants a client certificate, or another version of TLS",
        "Ask the people who run the server; a client certificate is set as cert of a session.",
    ),
    sign="The handshake fails, and not for the certificate of the server.",
)

NO_PEM_FILE = NETWORK.row(
    "no-pem-file",
    "{host} got no request: {file}",
    cause="REQUESTS_CA_BUNDLE, or verify or cert of the session, names no PEM file",
    remedy="Set it to a PEM file, or unset it.",
    sign="requests or OpenSSL can not read a certificate file of this machine.",
)

# -- an answer that says nothing about the request ------------------------------------------------

#: Rows of an answer that is not the API's own, or says that the API is slow or down.
SERVICE = Table()

_TRY_LATER = "Try again later. A GenesysCloudSession tries again by itself where that is safe."

PROXY_WANTS_CREDENTIALS = SERVICE.row(
    "proxy-wants-credentials",
    "{host} can not be reached through {proxy}, which wants a user name and a password",
    cause="The proxy URL holds no user name and password, or wrong ones",
    remedy="Put them into the URL in HTTPS_PROXY, and percent-encode special characters; or set them where"
    " the proxy is named.",
    statuses=(407,),
)

SERVICE.row(
    "authentication-slow",
    "the API could not check the token in time; the token may be good",
    cause="Genesys Cloud's own check of tokens is slow at the moment",
    remedy=_TRY_LATER,
    statuses=(504,),
    codes=("authentication.request.timeout",),
    message="Authentication request timeout.",
)

SERVICE.row(
    "client-too-slow",
    "the whole request did not arrive in time",
    cause="The connection is slow, or the body is large",
    remedy="Try again, with a smaller body or from another network.",
    statuses=(408,),
    codes=("client.timeout",),
)

SERVICE.row(
    "internal-error",
    "the API failed while it worked on this request",
    cause="The fault is within Genesys Cloud",
    remedy=f"Try again later. If the answer stays, take the correlation id to {WHERE_TO_ASK}.",
    statuses=(500, 501),
)

API_DOWN = SERVICE.row(
    "api-down",
    "the API, or a gateway in front of it, is down or overloaded",
    cause="The API does not work at the moment",
    remedy=_TRY_LATER,
    statuses=(502, 503, 504),
)

NOT_THE_API = SERVICE.row(
    "not-the-api",
    "what answers is not the API: the answer is {kind}",
    Cause(
        "A proxy, a firewall or a sign-in page on the way answers in place of the API",
        "Ask the people who run the network for a way to {host}, or for the proxy to set in"
        " HTTPS_PROXY.",
    ),
    Cause(
        "The API URL leads to another place",
        "Name the region alone, without URLs. If you use a gateway, compare the path of its URL.",
    ),
    sign="The body is no JSON object.",
)
