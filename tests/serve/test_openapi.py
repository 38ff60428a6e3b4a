"""If this fails, some request that the interface describes breaks it (schemathesis)."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.serve.conftest import API, png
from tests.serve.test_analyse import send

# Bounded: each address gets so many made-up requests, the same in every run.
EXAMPLES = 8


def check_all(schema, fixed, *, headers=None, under="/") -> int:
    """Send made-up requests to every operation under an address; how many operations there are."""
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if not operation.path.startswith(under):
            continue
        tried += 1

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case):
            case.path_parameters |= {
                name: value for name, value in fixed.items() if name in case.path_parameters
            }
            response = case.call(base_url="http://testserver", headers=headers)
            assert response.status_code < 500, (case.as_curl_command(), response.text)

        check()
    return tried


def test_no_request_that_the_interface_describes_breaks_it(client_of):
    with client_of(history=True, rate_per_second=0) as client:
        kept = send(client, png()).json()["findings"][0]["id"]
        schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", client.app)
        assert check_all(schema, {"finding_id": kept}) >= 20
