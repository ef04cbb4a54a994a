"""PyJWT as a resource server uses it. The protocol is in ../README.md."""

import jwt

import protocol

# PyJWT checks only the claims that are present, unless told which ones an access token must have.
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]


class WrongType(jwt.InvalidTokenError):
    """The header's `typ` is not the expected one: PyJWT leaves that check (RFC 9068 section 4) to its caller."""


class Verifier:
    def __init__(self, request):
        context = protocol.trust(request)
        self.issuer = request["issuer"]
        self.audience = request["audience"]
        self.algorithms = request["algorithms"]
        self.typ = request.get("typ")
        # The cooldown only spares the server; with 0 a key made a moment ago is found at once, as the tests want.
        self.keys = jwt.PyJWKClient(
            protocol.jwks_uri(request, context),
            ssl_context=context,
            cooldown_duration=request.get("cooldown_ms", 0) / 1000,
        )

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


class Program:
    def configure(self, request):
        self.verifier = Verifier(request)
        return {}

    def verify(self, request):
        return {"claims": self.verifier.verify(request["token"])}


if __name__ == "__main__":
    program = Program()
    protocol.serve(
        {"configure": program.configure, "verify": program.verify},
        lambda error: (type(error).__name__, str(error)),
    )
