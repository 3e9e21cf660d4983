"""The wing that every other wing imports from.

``secret`` promises that a secret is in no `repr`, log, pickle or printed frame. ``clock`` reads the clocks
at each call, so tests can freeze them. ``forks`` says which process this is and runs threads that a fork
waits for. ``bodies`` reads an answer within a size and a time, and says whether a body can be sent again.
``http`` reads headers. ``proxies`` says what the environment says of proxies, as requests does.

None of them knows a region, or how a token is got. ``bodies`` boxes each field whose name ends in "token",
and ``secret`` keeps the function that gives the credentials (`Vault`). Of Genesys Cloud the wing knows the
names of the headers and fields by which its answers are recognised.
"""

from .bodies import (
    BodyTooLongError,
    BodyTooSlowError,
    drain,
    hidden_json,
    is_json,
    is_partly_read,
    json_object,
    parse_json,
    read_ahead,
    read_within,
    refuse_too_deep,
    rewind,
)
from .clock import Clock, Moment
from .http import (
    USER_AGENT,
    VERSION,
    chain_of,
    correlation_id_of,
    error_code,
    error_message,
    has_correlation_id,
    is_patched,
    number,
    retry_after_seconds,
)
from .proxies import proxies_and_ca_bundle
from .secret import (
    ABSENT,
    Absent,
    CredentialsCallable,
    Secret,
    SecretBox,
    Vault,
    boxed,
    forms_of,
    name_of,
    plain,
    redacted,
    register_yaml_representer,
    short_name,
    swapped,
)

__all__ = [
    "ABSENT",
    "USER_AGENT",
    "VERSION",
    "Absent",
    "BodyTooLongError",
    "BodyTooSlowError",
    "Clock",
    "CredentialsCallable",
    "Moment",
    "Secret",
    "SecretBox",
    "Vault",
    "boxed",
    "chain_of",
    "correlation_id_of",
    "drain",
    "error_code",
    "error_message",
    "forks",
    "forms_of",
    "has_correlation_id",
    "hidden_json",
    "is_json",
    "is_partly_read",
    "is_patched",
    "json_object",
    "name_of",
    "number",
    "parse_json",
    "plain",
    "proxies_and_ca_bundle",
    "read_ahead",
    "read_within",
    "redacted",
    "refuse_too_deep",
    "register_yaml_representer",
    "retry_after_seconds",
    "rewind",
    "short_name",
    "swapped",
]
