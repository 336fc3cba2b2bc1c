"""Answers that are not a success, with Marathon's status codes and body shapes (its REST RAML and traits.raml)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ApiError(Exception):
    """The request ends with HTTP ``status`` and the JSON ``body``."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body.get('message', '')}")
        self.status = status
        self.body = body


Details = Sequence[tuple[str, str]]  # (path like "/cpus", what is wrong)


def _details(details: Details) -> list[dict[str, Any]]:
    paths = dict.fromkeys(path for path, _ in details)
    return [{"path": path, "errors": [text for other, text in details if other == path]} for path in paths]


def invalid_json(details: Details) -> ApiError:
    """400: not JSON, or a field of the wrong type."""
    return ApiError(400, {"message": "Invalid JSON", "details": _details(details)})


def not_valid(details: Details) -> ApiError:
    """422: well-formed, but against a rule (or beyond what the stand-in can do; the text says which)."""
    return ApiError(422, {"message": "Object is not valid", "details": _details(details)})


def unknown_app(app_id: str) -> ApiError:
    return ApiError(404, {"message": f"App '{app_id}' does not exist"})


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
    )
