"""auth0-python's Authentication API as an application whose users sign in uses it. See ../README.md."""

import base64
import hashlib
import os
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from auth0.authentication import GetToken, RevokeToken, Users
from auth0.authentication.token_verifier import AsymmetricSignatureVerifier, TokenVerifier

import protocol


class Program:
    def set_up(self, request):
        self.request = request
        protocol.dial_names_at(request.get("connect"))
        # The library has no option for it; it asks by requests, which reads this.
        os.environ["REQUESTS_CA_BUNDLE"] = request["ca_file"]
        # It knows the tenant by its domain alone, and adds `https://` itself.
        domain = urlsplit(request["issuer"]).netloc
        client = (domain, request["client_id"], request["client_secret"])
        self.tokens, self.revocation, self.users = GetToken(*client), RevokeToken(*client), Users(domain)
        signature = AsymmetricSignatureVerifier(f"https://{domain}/.well-known/jwks.json")
        self.verifier = TokenVerifier(signature, request["issuer"], request["client_id"])
        return {}

    def begin(self, _request):
        """The library has nothing for the first step."""
        self.code_verifier, self.nonce, self.state = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(self.code_verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "nonce": self.nonce,
            "state": self.state,
            **{name: self.request[name] for name in ["client_id", "redirect_uri", "audience", "scope"]},
        }
        return {"url": f"{self.request['issuer']}authorize?{urlencode(parameters)}"}

    def finish(self, request):
        answer = parse_qs(urlsplit(request["callback"]).query)
        if answer["state"] != [self.state]:
            raise ValueError(f"state is {answer['state']}")
        tokens = self.tokens.authorization_code_pkce(
            self.code_verifier, answer["code"][0], self.request["redirect_uri"]
        )
        return {"claims": self.verifier.verify(tokens["id_token"], nonce=self.nonce), "tokens": tokens}

    def userinfo(self, request):
        return {"claims": self.users.userinfo(request["access_token"])}

    def refresh(self, request):
        return {"tokens": self.tokens.refresh_token(request["refresh_token"])}

    def revoke(self, request):
        self.revocation.revoke_refresh_token(request["refresh_token"])
        return {}

    def client_credentials(self, _request):
        return {"tokens": self.tokens.client_credentials(self.request["audience"])}


if __name__ == "__main__":
    program = Program()
    names = ["set_up", "begin", "finish", "userinfo", "refresh", "revoke", "client_credentials"]
    protocol.serve(
        {name: getattr(program, name) for name in names},
        lambda error: (getattr(error, "error_code", None) or type(error).__name__, str(error)),
    )
