"""Who may: tokens as issuers make them, good and bad."""
import base64
import hashlib
import hmac
import json
import time

import pytest

from stack.farewell import JWT_KEY
from tools.gateway import problem, unchanged


def coded(data):
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(header, claims, key=JWT_KEY, hash=hashlib.sha256):
    text = coded(header) + "." + coded(claims)
    return text + "." + (coded(hmac.new(key.encode(), text.encode(), hash).digest()) if hash else "")


def soon():
    return int(time.time()) + 300


def refused(fw, user, token, error="invalid_token"):
    """The token is refused on both paths and nothing happens; returns the header."""
    for answer in (fw.delete(user, token=token), fw.get(user, token=token)):
        problem(answer, 401, "unauthorized")
        header = answer.headers["WWW-Authenticate"]
        assert header.startswith('Bearer realm="farewell"')
        assert (f'error="{error}"' in header) if error else ("error" not in header)
    assert unchanged(fw, user)
    return header


def test_no_token(fw, user):
    refused(fw, user, None, error=None)


def test_another_scheme(fw, user):
    for value in ("Basic NDI6eA==", "Bearer", "bearer", "Token x", "", "x"):
        answer = fw.delete(user, token=None, headers={"Authorization": value})
        problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="farewell"'
    assert unchanged(fw, user)


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c", "...", "", "é", "=" * 100, "a" * 7000, "\t", "a b c"], ids=lambda t: repr(t[:10]))
def test_rubbish(fw, user, token):
    answer = fw.delete(user, token=None, headers={"Authorization": ("Bearer " + token).encode("latin-1")})
    problem(answer, 401, "unauthorized")
    assert unchanged(fw, user)


def test_expired(fw, user):
    assert "expired" in refused(fw, user, fw.token(user, ttl=-1))


def test_not_yet_valid(fw, user):
    assert "not valid yet" in refused(fw, user, fw.token(user, nbf=int(time.time()) + 100))


def test_no_expiry(fw, user):
    refused(fw, user, sign({"alg": "HS256", "typ": "JWT"}, {"sub": str(user)}))


def test_alg_none(fw, user):
    claims = {"sub": str(user), "exp": soon()}
    for name in ("none", "None", "NONE", "nOnE"):
        refused(fw, user, sign({"alg": name}, claims, hash=None))
        refused(fw, user, sign({"alg": name}, claims))


def test_other_algorithms(fw, user):
    claims = {"sub": str(user), "exp": soon()}
    refused(fw, user, sign({"alg": "HS384"}, claims, hash=hashlib.sha384))
    refused(fw, user, sign({"alg": "HS512"}, claims, hash=hashlib.sha512))
    for name in ("RS256", "ES256", "PS256", "EdDSA", "HS1", ""):
        refused(fw, user, sign({"alg": name}, claims))
    refused(fw, user, sign({}, claims))


def test_a_wrong_key(fw, user):
    refused(fw, user, fw.token(user, key=JWT_KEY + "!"))
    refused(fw, user, fw.token(user, key="another key of thirty-two bytes or so"))


def test_a_changed_token(fw, user):
    head, claims, signature = fw.token(1).split(".")
    refused(fw, user, ".".join([head, coded({"sub": str(user), "exp": soon()}), signature]))
    refused(fw, user, ".".join([head, claims, ""]))
    refused(fw, user, ".".join([head, claims]))


def test_critical_extensions(fw, user):
    refused(fw, user, sign({"alg": "HS256", "crit": ["http://example.org/x"], "http://example.org/x": 1}, {"sub": str(user), "exp": soon()}))


def test_somebody_elses_token(fw, user):
    for token in (fw.token(sub=int(user.id) + 1), fw.token(sub=f"{user}0"), fw.token(sub=f"0{user}"), fw.token(sub=f" {user}"), fw.token(sub=""), fw.token(),
                  fw.token(role="user"), fw.token(role="administrator"), fw.token(sub=1, roles=["admin"]), fw.token(sub=1, role={"admin": True})):
        problem(fw.delete(user, token=token), 403, "forbidden")
        problem(fw.get(user, token=token), 403, "forbidden")
    assert unchanged(fw, user)


def test_the_owner(fw, user):
    assert fw.delete(user).status == 200
    assert fw.get(user).status == 200
    assert fw.requests(user)[0]["requested_by"] == str(user)


def test_a_subject_that_is_a_number(fw, user):
    """As many issuers write it, against the letter of RFC 7519."""
    assert fw.delete(user, token=sign({"alg": "HS256"}, {"sub": user.id, "exp": soon()})).status == 200


@pytest.mark.parametrize("role", ["admin", ["admin"], ["user", "admin"]])
def test_an_administrator(fw, user, role):
    answer = fw.delete(user, token=fw.token(sub="boss", role=role))
    assert answer.status == 200
    assert fw.requests(user)[0]["requested_by"] == "boss"
    assert fw.get(user, token=fw.token(role=role)).status == 200


def test_an_administrator_without_a_name(fw, user):
    assert fw.delete(user, token=fw.token(role="admin")).status == 200
    assert fw.requests(user)[0]["requested_by"] is None


def test_other_settings(fw, more_gateway, user):
    gateway = fw.at(more_gateway({"gateway": {"jwt_algorithm": "HS384", "jwt_admin_claim": "groups", "jwt_admin_value": "erasers"}}))
    claims = {"sub": "x", "groups": ["erasers"], "exp": soon()}
    problem(gateway.delete(user, token=sign({"alg": "HS256"}, claims)), 401, "unauthorized")
    problem(gateway.delete(user, token=sign({"alg": "HS384"}, {**claims, "groups": [], "role": "admin"}, hash=hashlib.sha384)), 403, "forbidden")
    assert unchanged(fw, user)
    assert gateway.delete(user, token=sign({"alg": "HS384"}, claims, hash=hashlib.sha384)).status == 200


def test_auth_none(fw, more_gateway, user):
    gateway = fw.at(more_gateway({"gateway": {"auth": "none", "jwt_key_file": None}}))
    assert gateway.delete(user, token=None).status == 200
    assert gateway.get(user, token=None).status == 200
    assert fw.requests(user)[0]["requested_by"] is None


def test_health_needs_no_token(fw):
    assert fw.request("GET", "/healthz").status == fw.request("GET", "/readyz").status == 200


def test_a_token_is_in_no_log(fw, stack, user):
    good, bad = fw.token(user), fw.token(user, ttl=-1)
    fw.delete(user, token=bad)
    fw.delete(user, token=good)
    for token in (good, bad):
        assert token not in stack.gateway.log_text() and token.split(".")[2] not in stack.gateway.log_text()
