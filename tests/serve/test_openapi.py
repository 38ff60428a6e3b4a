"""If this fails, some request that the interface describes breaks it (schemathesis)."""

import schemathesis
from hypothesis import HealthCheck, Phase, settings

from tests.serve.conftest import API, png
from tests.serve.test_analyse import send

# Bounded: each address gets so many made-up requests, the same in every run.
EXAMPLES = 8


def test_no_request_that_the_interface_describes_breaks_it(client_of):
    with client_of(history=True, rate_per_second=0) as client:
        kept = send(client, png()).json()["findings"][0]["id"]
        schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", client.app)
        tried = []
        for found in schema.get_all_operations():
            operation = found.ok()
            tried.append(operation.label)

            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def check(case):
                if case.path_parameters.get("finding_id"):
                    case.path_parameters["finding_id"] = kept
                response = case.call(base_url="http://testserver")
                assert response.status_code < 500, (case.as_curl_command(), response.text)

            from hypothesis import given

            given(case=operation.as_strategy())(check)()
    assert len(tried) >= 20
