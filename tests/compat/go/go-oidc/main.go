// Command go-oidc is go-oidc as a resource server uses it. The protocol is in ../../README.md.
package main

import (
	"context"
	"encoding/json"

	"github.com/coreos/go-oidc/v3/oidc"

	"mintage.dev/compat/protocol"
)

type verifier struct {
	tokens *oidc.IDTokenVerifier
	typ    string
}

func configure(r protocol.Request) (*verifier, error) {
	client, err := r.Client()
	if err != nil {
		return nil, err
	}
	ctx := oidc.ClientContext(context.Background(), client)
	config := &oidc.Config{ClientID: r.Audience, SupportedSigningAlgs: r.Algorithms}
	if r.Mode == "jwks" {
		keys := oidc.NewRemoteKeySet(ctx, r.JWKSURI)
		return &verifier{oidc.NewVerifier(r.Issuer, keys, config), r.Typ}, nil
	}
	provider, err := oidc.NewProvider(ctx, r.Issuer)
	if err != nil {
		return nil, err
	}
	return &verifier{provider.VerifierContext(ctx, config), r.Typ}, nil
}

// Verify accepts an ID token by go-oidc's rules that is also an access token.
func (v *verifier) Verify(token string) (json.RawMessage, error) {
	verified, err := v.tokens.Verify(context.Background(), token)
	if err != nil {
		return nil, err
	}
	if verified.Subject == "" {
		return nil, &protocol.MissingClaim{Name: "sub"}
	}
	if verified.IssuedAt.IsZero() {
		return nil, &protocol.MissingClaim{Name: "iat"}
	}
	if err := protocol.CheckType(token, v.typ); err != nil {
		return nil, err
	}
	var claims json.RawMessage
	err = verified.Claims(&claims)
	return claims, err
}

func main() { protocol.Serve(configure) }
