"""Those who hand out credentials on AWS, as its documents have them answer: the metadata service of an instance, the endpoints of
ECS and EKS, and STS. Each hand-out is a new key: ASIA1, ASIA2 ..."""
import contextlib
import datetime
import json
import socket
import threading
import uuid
from urllib.parse import parse_qs

from tools.s3_canned import Canned, answer

ROLE, ROLE_ARN = "farewell-role", "arn:aws:iam::123456789012:role/farewell"
CONTAINER_PATH = "/v2/credentials/7c1f"
IMDS = "/latest/meta-data/iam/security-credentials/"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"


def rfc3339(seconds):
    """So many seconds from now."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Metadata(Canned):
    """lifetime: of what is handed out, in seconds. authorization: what a container must send, or None. web_token: the one STS takes.
    trouble(request): an answer in place of the one that is due, None for that one, or HANG; only where credentials themselves are
    asked for unless everywhere is set."""
    HANG = "hang"

    def __init__(self):
        self.lifetime, self.authorization, self.web_token = 3600, None, "header.payload.signature"
        self.trouble, self.everywhere = lambda request: None, False
        self.ahead = 0     # of the clock of whoever asks, in seconds
        self.handed_out, self.without_token, self.tokens, self.over = 0, [], set(), threading.Event()
        super().__init__(self._answer)

    def close(self):
        self.over.set()
        with contextlib.suppress(OSError):     # closed before
            self.listener.shutdown(socket.SHUT_RDWR)
        super().close()

    # What a provider's environment is.

    def instance(self):
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.endpoint}

    def container(self):
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.endpoint + CONTAINER_PATH}

    def web_identity(self, token_file):
        return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file), "AWS_ROLE_ARN": ROLE_ARN, "AWS_ENDPOINT_URL_STS": self.endpoint}

    # The answers.

    def _answer(self, request):
        path = request.target.partition("?")[0]
        asks = path in (CONTAINER_PATH, IMDS + ROLE) or request.method == "POST"
        out = self.trouble(request) if asks or self.everywhere else None
        if out == self.HANG:
            self.over.wait()
            return None
        return out if out is not None else self._due(request, path)

    def _due(self, request, path):
        if path == "/latest/api/token":
            return self._token(request)
        if path.startswith("/latest/"):
            return self._instance(request, path)
        if path == CONTAINER_PATH and request.method == "GET":
            return self._container(request)
        if path == "/" and request.method == "POST":
            return self._sts(parse_qs(request.body.decode()))
        return answer(404)

    def _token(self, request):
        seconds = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if request.method != "PUT":
            return answer(405)
        if not seconds.isdigit() or not 1 <= int(seconds) <= 21600 or "x-forwarded-for" in request.headers:
            return answer(400)
        token = "AQAE" + uuid.uuid4().hex + "=="
        self.tokens.add(token)
        return answer(200, token, headers=["Content-Type: text/plain"])

    def _instance(self, request, path):
        """Version 2 only: what comes without a token is noted, and refused."""
        token = request.headers.get("x-aws-ec2-metadata-token")
        if token not in self.tokens:
            self.without_token.append(request.target)
            return answer(401)
        if path == IMDS:
            return answer(200, ROLE, headers=["Content-Type: text/plain"])
        return self.json(Code="Success", LastUpdated=rfc3339(-60), Type="AWS-HMAC") if path == IMDS + ROLE else answer(404)

    def _container(self, request):
        if self.authorization is not None and request.headers.get("authorization") != self.authorization:
            return answer(401, json.dumps({"code": "InvalidAuthorization", "message": "no"}))
        return self.json(RoleArn=ROLE_ARN)

    def _sts(self, form):
        wanted = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE_ARN}
        if any(form.get(name) != [value] for name, value in wanted.items()) or len(form.get("RoleSessionName", [""])[0]) < 2:
            return self.sts_error(400, "ValidationError")
        if form.get("WebIdentityToken") != [self.web_token]:
            return self.sts_error(400, "InvalidIdentityToken")
        c = self.hand_out()
        return answer(200, f'<AssumeRoleWithWebIdentityResponse xmlns="{STS}"><AssumeRoleWithWebIdentityResult>'
                      "<SubjectFromWebIdentityToken>system:serviceaccount:default:farewell</SubjectFromWebIdentityToken>"
                      f"<AssumedRoleUser><Arn>{ROLE_ARN}</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser><Credentials>"
                      f"<SessionToken>{c['Token']}</SessionToken><SecretAccessKey>{c['SecretAccessKey']}</SecretAccessKey>"
                      f"<Expiration>{c['Expiration']}</Expiration><AccessKeyId>{c['AccessKeyId']}</AccessKeyId></Credentials>"
                      "</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
                      "</AssumeRoleWithWebIdentityResponse>", headers=["Content-Type: text/xml"])

    @staticmethod
    def sts_error(status, code):
        return answer(status, f'<ErrorResponse xmlns="{STS}"><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>'
                      "<RequestId>1</RequestId></ErrorResponse>")

    def hand_out(self):
        self.handed_out += 1
        n = self.handed_out
        return {"AccessKeyId": f"ASIA{n}", "SecretAccessKey": f"secret{n}/+=", "Token": f"token{n}//+==", "Expiration": rfc3339(self.ahead + self.lifetime)}

    def json(self, **more):
        return answer(200, json.dumps({**more, **self.hand_out()}), headers=["Content-Type: application/json"])
