"""Authlib as a resource server and as an application use it, on joserfc as its documentation says. See ../README.md."""

import time

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc import jwt
from joserfc.errors import InvalidClaimError
from joserfc.jwk import KeySet

import protocol


class Keys:
    """The issuer's key set: Authlib leaves fetching and keeping it to its caller."""

    def __init__(self, request):
        self.context = protocol.trust(request)
        self.uri = protocol.jwks_uri(request, self.context)
        self.cooldown = request.get("cooldown_ms", 0) / 1000
        self.fetch()

    def fetch(self):
        self.fetched = time.monotonic()
        self.keys = KeySet.import_key_set(protocol.fetch(self.uri, self.context))

    def __call__(self, signed):
        """The keys for a token, fetched again for one whose key is not among them."""
        kid = signed.headers().get("kid")
        known = any(key.kid == kid for key in self.keys)
        if not known and time.monotonic() - self.fetched >= self.cooldown:
            self.fetch()
        return self.keys


class Rfc9068(JWTBearerTokenValidator):
    """RFC 9068 as Authlib implements it: `typ`, and all the claims that the RFC asks for."""

    def __init__(self, request):
        super().__init__(request["issuer"], request["audience"])
        self.keys = Keys(request)

    def get_jwks(self):
        return self.keys

    def verify(self, token):
        claims = self.authenticate_token(token)
        self.validate_token(claims, [], None)
        return dict(claims)


class PlainJwt:
    """A JWT of another shape, by joserfc alone."""

    def __init__(self, request):
        self.keys = Keys(request)
        self.algorithms = request["algorithms"]
        self.typ = request.get("typ")
        self.registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": request["issuer"]},
            aud={"essential": True, "value": request["audience"]},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )

    def verify(self, token):
        decoded = jwt.decode(token, self.keys, algorithms=self.algorithms)
        self.registry.validate(decoded.claims)
        if self.typ and decoded.header.get("typ") != self.typ:
            raise InvalidClaimError("typ")
        return decoded.claims


class Introspection(IntrospectTokenValidator):
    def __init__(self, session, endpoint):
        super().__init__()
        self.session = session
        self.endpoint = endpoint

    def introspect_token(self, token_string):
        response = self.session.introspect_token(self.endpoint, token_string)
        response.raise_for_status()
        return response.json()


class Program:
    def configure(self, request):
        kind = Rfc9068 if request.get("typ") == "at+jwt" else PlainJwt
        self.verifier = kind(request)
        return {}

    def verify(self, request):
        return {"claims": self.verifier.verify(request["token"])}

    def token(self, request):
        metadata = protocol.fetch(request["discovery_uri"], None)
        session = OAuth2Session(
            request["client_id"],
            scope=request["scope"],
            token_endpoint=metadata["token_endpoint"],
            # There is no secret: who can connect is the pod.
            token_endpoint_auth_method="none",
        )
        self.introspection = Introspection(session, metadata["introspection_endpoint"])
        return {"response": session.fetch_token(grant_type="client_credentials", audience=request["audience"])}

    def introspect(self, request):
        claims = self.introspection.authenticate_token(request["token"])
        self.introspection.validate_token(claims, request.get("scope", "").split(), None)
        return {"claims": claims}


def failure(error):
    """The library's code for what went wrong. Behind Authlib's `invalid_token` is joserfc's own error."""
    if isinstance(error, InvalidTokenError) and error.__cause__:
        error = error.__cause__
    return getattr(error, "error", None) or type(error).__name__, str(error)


if __name__ == "__main__":
    program = Program()
    protocol.serve(
        {name: getattr(program, name) for name in ["configure", "verify", "token", "introspect"]},
        failure,
    )
