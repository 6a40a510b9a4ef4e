"""What S3 and the network say, in sentences: what failed, where, and what to look at."""

from __future__ import annotations

from botocore import exceptions as boto
from botocore.exceptions import ClientError

from preprocess.errors import NotAllowed, NotThere, StorageError

_CREDENTIALS = (
    "ExpiredToken ExpiredTokenException InvalidAccessKeyId InvalidSecurity InvalidToken NotSignedUp "
    "RequestTimeTooSkewed SignatureDoesNotMatch TokenRefreshRequired UnrecognizedClientException"
)
_REFUSED = "403 401 AccessDenied AccountProblem AllAccessDisabled InvalidObjectState Unauthorized"
_ELSEWHERE = "301 AuthorizationHeaderMalformed IllegalLocationConstraintException PermanentRedirect"
_BUSY_CODES = "InternalError RequestTimeout ServiceUnavailable SlowDown Throttling"
_BUSY = (429, 500, 502, 503, 504)
_NO_ANSWER = (boto.ConnectionError, boto.HTTPClientError)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.UnauthorizedSSOTokenError,
    boto.SSOTokenLoadError,
)


class NoBucket(NotThere):
    """There is no such bucket."""


class NoKey(NotThere):
    """There is no such object, in a bucket that there is."""


class Passing(StorageError):  # noqa: N818 - what it says
    """What may be otherwise in a moment: no answer, one that broke off, a server that is busy or fails."""


def code_of(error: ClientError) -> str:
    """S3's word for it, or the status of the answer."""
    return str(error.response.get("Error", {}).get("Code") or error.response["ResponseMetadata"]["HTTPStatusCode"])


def sentence(error: Exception, *, place: str, endpoint: str, who: str) -> StorageError:
    """What to raise instead. `place` is what was asked for, `who` where the credentials come from."""
    if isinstance(error, ClientError):
        return _refusal(error, place, endpoint, who)
    if isinstance(error, boto.ResponseStreamingError | boto.IncompleteReadError | boto.ReadTimeoutError):
        return Passing(f"{place}: the answer broke off ({error})")
    if isinstance(error, _NO_CREDENTIALS):
        return NotAllowed(f"{place}: the credentials cannot be used: {error}")
    if isinstance(error, boto.ParamValidationError):
        return NoBucket(f"{place}: no name that S3 allows ({' '.join(str(error).split())})")
    if isinstance(error, _NO_ANSWER):
        return Passing(
            f"{place}: no answer from {endpoint}. Is there a network, and is AWS_ENDPOINT_URL right? ({error})"
        )
    if isinstance(error, boto.BotoCoreError):
        return StorageError(f"{place}: {endpoint} does not answer as S3 does ({error})")
    return Passing(f"{place}: {error}")


def _refusal(error: ClientError, place: str, endpoint: str, who: str) -> StorageError:
    code = code_of(error)
    said = f"{code}: {error.response.get('Error', {}).get('Message') or error}"
    if code == "NoSuchBucket":
        return NoBucket(f"{place}: there is no such bucket at {endpoint}")
    if code == "NoSuchKey":
        return NoKey(f"{place}: there is no such object")
    if code in ("404", "NotFound"):
        return NoBucket(f"{place}: nothing of S3's is at {endpoint} ({said}). Is AWS_ENDPOINT_URL right?")
    if code in _CREDENTIALS.split():
        return NotAllowed(f"{place}: the credentials, {who}, are not accepted ({said})")
    if code in _REFUSED.split():
        return NotAllowed(f"{place}: no permission with the credentials at hand, {who} ({said})")
    if code in _ELSEWHERE.split():
        return StorageError(f"{place}: the bucket is in another region; say which by AWS_REGION ({said})")
    if code in ("PreconditionFailed", "412"):
        return StorageError(f"{place}: it was replaced while it was read")
    busy = error.response["ResponseMetadata"]["HTTPStatusCode"] in _BUSY or code in _BUSY_CODES.split()
    return (Passing if busy else StorageError)(f"{place}: {endpoint} fails ({said})")
