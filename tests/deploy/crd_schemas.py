"""The part that the chart uses of four resources that extend Kubernetes, as strict JSON schemas.

Written after the definitions of Gateway API v1, the Prometheus Operator (monitoring.coreos.com/v1)
and KEDA (keda.sh/v1alpha1). What the chart does not use is left out, so that a misspelt field is
found.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string", "minLength": 1}
NAME: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}
PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION: Final[Schema] = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w|y))+$"}


def _map(optional: tuple[str, ...] = (), **fields: Any) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": fields,
        "required": [name for name in fields if name not in optional],
    }


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of, "minItems": 1}


def _resource(api: str, kind: str, spec: Schema) -> Schema:
    metadata = _map(("annotations",), name=NAME, labels=TEXTS, annotations=TEXTS)
    return _map(apiVersion={"const": api}, kind={"const": kind}, metadata=metadata, spec=spec)


_ROUTE: Final = _map(
    ("hostnames",),
    parentRefs=_list(
        _map(
            ("group", "kind", "namespace", "sectionName", "port"),
            group=TEXT,
            kind=TEXT,
            name=NAME,
            namespace=NAME,
            sectionName=NAME,
            port=PORT,
        )
    ),
    hostnames=_list({"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}),
    rules=_list(
        _map(
            matches=_list(
                _map(
                    path=_map(
                        type={"enum": ["Exact", "PathPrefix", "RegularExpression"]},
                        value={"type": "string", "pattern": "^/"},
                    )
                )
            ),
            backendRefs=_list(_map(name=NAME, port=PORT)),
        )
    ),
)

_SELECTED_KEY: Final = _map(name=NAME, key=TEXT)

_MONITOR: Final = _map(
    jobLabel=TEXT,
    selector=_map(matchLabels=TEXTS),
    endpoints=_list(
        _map(
            ("authorization",),
            port=NAME,
            path={"type": "string", "pattern": "^/"},
            interval=DURATION,
            authorization=_map(type=TEXT, credentials=_SELECTED_KEY),
        )
    ),
)

_RULES: Final = _map(
    groups=_list(
        _map(
            name=TEXT,
            rules=_list(
                _map(
                    ("for",),
                    **{"alert": TEXT, "expr": TEXT, "for": DURATION},
                    labels=TEXTS,
                    annotations=TEXTS,
                )
            ),
        )
    )
)

_SCALING: Final = _map(
    ("policies",),
    stabilizationWindowSeconds=NUMBER | {"maximum": 3600},
    policies=_list(
        _map(type={"enum": ["Pods", "Percent"]}, value=PORT, periodSeconds=NUMBER | {"minimum": 1})
    ),
)

_SCALED: Final = _map(
    scaleTargetRef=_map(apiVersion=TEXT, kind=TEXT, name=NAME),
    pollingInterval=NUMBER,
    minReplicaCount=NUMBER,
    maxReplicaCount=NUMBER,
    advanced=_map(
        horizontalPodAutoscalerConfig=_map(behavior=_map(scaleUp=_SCALING, scaleDown=_SCALING))
    ),
    triggers=_list(
        _map(
            ("authenticationRef",),
            type={"enum": ["prometheus", "cpu"]},
            metricType={"enum": ["AverageValue", "Value", "Utilization"]},
            metadata=TEXTS,
            authenticationRef=_map(name=NAME),
        )
    ),
)

CRD_SCHEMAS: Final = {
    (api, kind): _resource(api, kind, spec)
    for api, kind, spec in (
        ("gateway.networking.k8s.io/v1", "HTTPRoute", _ROUTE),
        ("monitoring.coreos.com/v1", "ServiceMonitor", _MONITOR),
        ("monitoring.coreos.com/v1", "PrometheusRule", _RULES),
        ("keda.sh/v1alpha1", "ScaledObject", _SCALED),
    )
}
