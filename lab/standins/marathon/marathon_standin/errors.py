"""Answers that are not a success, with Marathon's status codes and body shapes (its REST RAML and traits.raml)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

# The logger of the class that does this in Marathon; operators and clusterctl know its lines by that name.
_mapper = logging.getLogger("mesosphere.marathon.api.MarathonExceptionMapper")


class ApiError(Exception):
    """The request ends with HTTP ``status`` and the JSON ``body``.

    ``logged``: Marathon throws an exception for it, of which its log then has a line of level ERROR, whoever is to
    blame (MarathonExceptionMapper); answers that it makes without one leave no trace.
    """

    def __init__(self, status: int, body: dict[str, Any], logged: bool = False) -> None:
        super().__init__(f"{status} {body.get('message', '')}")
        self.status = status
        self.body = body
        self.logged = logged

    def log(self) -> None:
        """Write the line that Marathon writes."""
        if self.logged:
            _mapper.error("Exception while processing request: %s", self)


Details = Sequence[tuple[str, str]]  # (path like "/cpus", what is wrong)


def _details(details: Details) -> list[dict[str, Any]]:
    paths = dict.fromkeys(path for path, _ in details)
    return [{"path": path, "errors": [text for other, text in details if other == path]} for path in paths]


def no_json(reason: str) -> ApiError:
    """400: the body is no JSON."""
    return ApiError(400, {"message": "Invalid JSON", "details": reason}, logged=True)


def invalid_json(details: Details) -> ApiError:
    """422: a field of the wrong type, or missing."""
    return ApiError(422, {"message": "Invalid JSON", "details": _details(details)}, logged=True)


def not_valid(details: Details) -> ApiError:
    """422: well-formed, but against a rule (or beyond what the stand-in can do; the text says which)."""
    return ApiError(422, {"message": "Object is not valid", "details": _details(details)}, logged=True)


def illegal(message: str) -> ApiError:
    """422: an argument that means nothing."""
    return ApiError(422, {"message": message}, logged=True)


def lacking(what: str) -> ApiError:
    """422: Marathon has it, the stand-in does not."""
    return ApiError(422, {"message": f"the stand-in lacks it: {what}"})


def conflict(message: str) -> ApiError:
    return ApiError(409, {"message": message}, logged=True)


def unknown_app(app_id: str, version: str | None = None, logged: bool = False) -> ApiError:
    return ApiError(404, {"message": f"App '{app_id}' does not exist{_in(version)}"}, logged)


def unknown_group(group_id: str, version: str | None = None, logged: bool = False) -> ApiError:
    return ApiError(404, {"message": f"Group '{group_id}' does not exist{_in(version)}"}, logged)


def _in(version: str | None) -> str:
    return f" in version {version}" if version else ""


def unknown_task(task_id: str) -> ApiError:
    return ApiError(404, {"message": f"Task '{task_id}' does not exist"})


def locked(deployment_ids: Sequence[str]) -> ApiError:
    """409: a running deployment holds the app."""
    return ApiError(
        409,
        {
            "message": "App is locked by one or more deployments. Override with the option '?force=true'."
            f" View details at '/v2/deployments/{deployment_ids[0]}'.",
            "deployments": [{"id": deployment_id} for deployment_id in deployment_ids],
        },
        logged=True,
    )
