"""What goes wrong on AWS, in the words of the storage ports. No message of AWS is repeated: it may quote an item."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import EngineError, SettingsError, StorageUnavailable

_OURS: Final = frozenset(
    {"AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "ExpiredTokenException"}
)


class Refused(EngineError):
    """A condition on a stored item does not hold.

    `stored`: the item as it is, where it was asked for. `places`: which writes of a transaction it concerns.
    """

    def __init__(self, stored: dict[str, Any] | None = None, places: tuple[int, ...] = ()) -> None:
        super().__init__("a condition on the stored item does not hold")
        self.stored = stored or {}
        self.places = places


class Contended(EngineError):
    """Somebody else's transaction is at the same item just now."""

    def __init__(self) -> None:
        super().__init__("another transaction is at the same item")


class Taken(EngineError):
    """There is such a secret already."""

    def __init__(self) -> None:
        super().__init__("there is a secret with this name")


class Absent(EngineError):
    """There is no such secret."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: there is none")


def translated(service: str, operation: str, error: BaseException) -> EngineError:
    """An exception of botocore as one of ours."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", type(error).__name__))
    if code == "ConditionalCheckFailedException":
        return Refused(response.get("Item"))
    if code == "TransactionCanceledException":
        return _cancelled(response)
    if code == "TransactionConflictException":
        return Contended()
    if code == "ResourceExistsException":
        return Taken()
    if code == "ResourceNotFoundException" and service == "dynamodb":
        return StorageUnavailable("DynamoDB has not all tables of this version: deploy the template first")
    if code == "ResourceNotFoundException":
        return Absent(f"{service} {operation}")
    if code in _OURS:
        return StorageUnavailable(f"{service} refuses {operation} ({code}): look at the role's policy")
    return StorageUnavailable(f"{service} can't do {operation} now ({code})")


def _cancelled(response: dict[str, Any]) -> EngineError:
    reasons = response.get("CancellationReasons") or []
    codes = {reason.get("Code") for reason in reasons}
    refused = tuple(i for i, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed")
    if refused:
        return Refused(reasons[refused[0]].get("Item"), refused)
    if codes & {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}:
        return Contended()
    return StorageUnavailable(f"a transaction was cancelled ({', '.join(sorted(map(str, codes))) or 'no reason'})")


def no_boto3() -> SettingsError:
    return SettingsError("INTEGRATIONS_STORAGE=aws needs boto3: install integrations-engine[aws]")


def unusable(error: BaseException) -> SettingsError:
    """No client can be made."""
    if type(error).__name__ == "NoRegionError":
        return SettingsError("INTEGRATIONS_STORAGE=aws needs a region: set AWS_REGION")
    return SettingsError(f"INTEGRATIONS_STORAGE=aws: the settings of AWS can't be used ({type(error).__name__})")
