"""If this fails, some request about accounts that the interface describes breaks it."""

import schemathesis

from tests.serve.conftest import API
from tests.serve.test_openapi import check_all
from tumorlens.serve.people import Scope


def test_no_request_about_accounts_breaks_it(house_of):
    house = house_of(rate_per_second=0)
    _, new = house.program("ada", *Scope)
    headers = {"Authorization": f"Bearer {new.text}"}
    schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", house.app, headers=headers)
    fixed = {"user_id": house.ids["bob"], "token_id": new.record.id}
    assert check_all(schema, fixed, headers=headers, under=f"{API}/users") >= 6
    assert check_all(schema, fixed, headers=headers, under=f"{API}/audit") == 1
