"""Authlib as an application whose users sign in. See ../README.md."""

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

import protocol


class Program:
    def set_up(self, request):
        self.request = request
        context = protocol.trust(request)
        self.metadata = protocol.fetch(request["issuer"] + ".well-known/openid-configuration", context)
        if self.metadata["issuer"] != request["issuer"]:
            raise ValueError(f"the metadata names the issuer {self.metadata['issuer']}")
        self.keys = KeySet.import_key_set(protocol.fetch(self.metadata["jwks_uri"], context))
        self.session = self.new_session()
        return {}

    def new_session(self):
        session = OAuth2Session(
            self.request["client_id"],
            self.request["client_secret"],
            scope=self.request["scope"],
            redirect_uri=self.request["redirect_uri"],
            code_challenge_method="S256",
        )
        session.verify = self.request["ca_file"]
        # The environment may name other authorities, and would win.
        session.trust_env = False
        return session

    def begin(self, _request):
        self.verifier, self.nonce = generate_token(48), generate_token()
        url, self.state = self.session.create_authorization_url(
            self.metadata["authorization_endpoint"],
            code_verifier=self.verifier,
            nonce=self.nonce,
            audience=self.request["audience"],
        )
        return {"url": url}

    def finish(self, request):
        tokens = self.session.fetch_token(
            self.metadata["token_endpoint"],
            authorization_response=request["callback"],
            code_verifier=self.verifier,
            state=self.state,
        )
        algorithms = self.metadata["id_token_signing_alg_values_supported"]
        token = jwt.decode(tokens["id_token"], self.keys, algorithms=algorithms)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {"iss": {"values": [self.metadata["issuer"]]}},
            {"nonce": self.nonce, "client_id": self.request["client_id"], "access_token": tokens["access_token"]},
        )
        claims.validate()
        return {"claims": dict(claims), "tokens": tokens}

    def userinfo(self, _request):
        # With the token that the session holds.
        response = self.session.get(self.metadata["userinfo_endpoint"])
        response.raise_for_status()
        return {"claims": response.json()}

    def refresh(self, request):
        tokens = self.session.refresh_token(self.metadata["token_endpoint"], refresh_token=request["refresh_token"])
        return {"tokens": tokens}

    def revoke(self, request):
        response = self.session.revoke_token(
            self.metadata["revocation_endpoint"], request["refresh_token"], token_type_hint="refresh_token"
        )
        response.raise_for_status()
        return {}

    def client_credentials(self, _request):
        session = self.new_session()
        session.scope = None
        tokens = session.fetch_token(
            self.metadata["token_endpoint"], grant_type="client_credentials", audience=self.request["audience"]
        )
        return {"tokens": tokens}


if __name__ == "__main__":
    program = Program()
    names = ["set_up", "begin", "finish", "userinfo", "refresh", "revoke", "client_credentials"]
    protocol.serve(
        {name: getattr(program, name) for name in names},
        lambda error: (getattr(error, "error", None) or type(error).__name__, str(error)),
    )
