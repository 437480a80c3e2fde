"""Every Prometheus metric of the adapter, named once. Labels are names and classes, never people.

Counters live in this process; the numbers of waiting rows are read from the tables when `/metrics`
is asked (`web/health.py`).
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

CALLBACKS = Counter(
    "abdm_callbacks_total", "Callbacks answered, by message and outcome.", ["message", "outcome"]
)
CALLBACK_SECONDS = Histogram(
    "abdm_callback_seconds", "Time to store and answer a callback.", buckets=_FAST
)
GATEWAY_CALLS = Counter(
    "abdm_gateway_calls_total",
    "Calls to the gateway, by message and outcome.",
    ["message", "outcome"],
)
SERVICE_CALLS = Counter(
    "abdm_service_calls_total",
    "Calls to the registry and the ABHA service, by operation and outcome.",
    ["operation", "outcome"],
)
PUSHES = Counter("abdm_pushes_total", "Pages pushed to receivers, by outcome.", ["outcome"])
PUSH_TOKENS_SENT = Counter(
    "abdm_push_tokens_sent_total", "Pushes that carried our gateway token (PUSH_TOKEN_HOSTS)."
)
PAGES = Counter(
    "abdm_pages_received_total", "Pages that hospitals pushed to us, by outcome.", ["outcome"]
)
DOCUMENTS = Counter(
    "abdm_documents_received_total", "Documents in received pages, by outcome.", ["outcome"]
)
CLOCK_OFFSET = Gauge(
    "abdm_clock_offset_seconds", "The gateway's clock less ours, from its Date header."
)
ROWS = Gauge("abdm_rows", "Rows of the work tables, by table and state.", ["table", "state"])
