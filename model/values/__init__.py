"""How the values of a workflow become canonical bytes and come back. Hands on the public names.

Lives here: types and values of frames, arguments and results. Never here: where bytes are kept,
and what they are used for.
"""

from ..errors import StepFailed
from .catalogue import codec, exception_codec, exceptions
from .payloads import PAYLOAD_BYTES_MIN, is_payload, payload_digest
from .refusals import TypeRefused, ValueRefused
from .sealing import Codec, Value
from .sharing import aliases
from .tagged import Resolve, find_class, stored_name

__all__ = [
    "PAYLOAD_BYTES_MIN",
    "Codec",
    "Resolve",
    "StepFailed",
    "TypeRefused",
    "Value",
    "ValueRefused",
    "aliases",
    "codec",
    "exception_codec",
    "exceptions",
    "find_class",
    "is_payload",
    "payload_digest",
    "stored_name",
]
