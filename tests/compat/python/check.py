"""PyJWT as a resource server uses it. The protocol is in ../README.md."""

import ipaddress
import json
import socket
import ssl
import sys
import urllib.request

import jwt

# PyJWT checks only the claims that are present, unless told which ones an access token must have.
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]


class WrongType(jwt.InvalidTokenError):
    """The header's `typ` is not the expected one: PyJWT leaves that check (RFC 9068 section 4) to its caller."""


def dial_names_at(address):
    """Resolves every host name to `address` ("ip:port"): `*.localhost` has no entry in most resolvers."""
    host, port = address.rsplit(":", 1)

    def getaddrinfo(name, _port, *args, **kwargs):
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return resolve(host, int(port), *args, **kwargs)
        return resolve(name, _port, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


resolve = socket.getaddrinfo


class Verifier:
    def __init__(self, request):
        context = ssl.create_default_context(cafile=request.get("ca_file"))
        socket.getaddrinfo = resolve
        if request.get("connect"):
            dial_names_at(request["connect"])
        self.issuer = request["issuer"]
        self.audience = request["audience"]
        self.algorithms = request["algorithms"]
        self.typ = request.get("typ")
        if request["mode"] == "discovery":
            jwks_uri = self.discover(context)
        else:
            jwks_uri = request["jwks_uri"]
        # The cooldown only spares the server; with 0 a key made a moment ago is found at once, as the tests want.
        self.keys = jwt.PyJWKClient(
            jwks_uri, ssl_context=context, cooldown_duration=request.get("cooldown_ms", 0) / 1000
        )

    def discover(self, context):
        """Reads the issuer's metadata, which has to name the very same issuer (OpenID Connect Discovery 4.3)."""
        url = self.issuer + ".well-known/openid-configuration"
        with urllib.request.urlopen(url, timeout=10, context=context) as response:
            metadata = json.load(response)
        if metadata["issuer"] != self.issuer:
            raise jwt.InvalidIssuerError(f"the metadata names the issuer {metadata['issuer']}")
        return metadata["jwks_uri"]

    def verify(self, token):
        key = self.keys.get_signing_key_from_jwt(token)
        decoded = jwt.decode_complete(
            token,
            key,
            algorithms=self.algorithms,
            audience=self.audience,
            issuer=self.issuer,
            options={"require": REQUIRED},
        )
        typ = decoded["header"].get("typ", "")
        if self.typ and typ.lower().removeprefix("application/") != self.typ.lower():
            raise WrongType(f"typ is {typ!r}")
        return decoded["payload"]


def answer(request, state):
    match request["op"]:
        case "configure":
            state["verifier"] = Verifier(request)
            return {}
        case "verify":
            return {"claims": state["verifier"].verify(request["token"])}
        case other:
            raise ValueError(f"unknown op {other}")


def main():
    state = {}
    for line in sys.stdin:
        # Any exception is an answer: which class it has is what the tests ask.
        try:
            reply = {"ok": True, **answer(json.loads(line), state)}
        except Exception as error:
            reply = {"ok": False, "error": type(error).__name__, "message": str(error)}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
