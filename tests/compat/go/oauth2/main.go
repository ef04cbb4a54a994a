// Command oauth2 is golang.org/x/oauth2 with go-oidc as an application whose users sign in. The protocol is in ../../README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"mintage.dev/compat/protocol"
)

// settings are those of an application.
type settings struct {
	protocol.Request
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RedirectURI  string `json:"redirect_uri"`
	Scope        string `json:"scope"`
}

// parameters of the other operations.
type parameters struct {
	Callback     string `json:"callback"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// application is set up once, and keeps what a sign-in began with.
type application struct {
	settings               settings
	ctx                    context.Context
	client                 *http.Client
	provider               *oidc.Provider
	config                 oauth2.Config
	verifier, nonce, state string
}

func (a *application) setUp(line []byte) (protocol.Answer, error) {
	var s settings
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, err
	}
	client, err := s.Client()
	if err != nil {
		return nil, err
	}
	ctx := oidc.ClientContext(context.Background(), client)
	provider, err := oidc.NewProvider(ctx, s.Issuer)
	if err != nil {
		return nil, err
	}
	*a = application{settings: s, ctx: ctx, client: client, provider: provider, config: oauth2.Config{
		ClientID:     s.ClientID,
		ClientSecret: s.ClientSecret,
		Endpoint:     provider.Endpoint(),
		RedirectURL:  s.RedirectURI,
		Scopes:       strings.Fields(s.Scope),
	}}
	return nil, nil
}

func (a *application) begin([]byte) (protocol.Answer, error) {
	a.verifier, a.nonce, a.state = oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	audience := oauth2.SetAuthURLParam("audience", a.settings.Audience)
	return protocol.Answer{
		"url": a.config.AuthCodeURL(a.state, audience, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)),
	}, nil
}

func (a *application) finish(p parameters) (protocol.Answer, error) {
	callback, err := url.Parse(p.Callback)
	if err != nil {
		return nil, err
	}
	answer := callback.Query()
	if answer.Get("state") != a.state {
		return nil, fmt.Errorf("state is %q", answer.Get("state"))
	}
	token, err := a.config.Exchange(a.ctx, answer.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string) // without one the next step fails
	verified, err := a.provider.VerifierContext(a.ctx, &oidc.Config{ClientID: a.settings.ClientID}).Verify(a.ctx, raw)
	if err != nil {
		return nil, err
	}
	if verified.Nonce != a.nonce {
		return nil, fmt.Errorf("nonce is %q", verified.Nonce)
	}
	claims := map[string]any{}
	err = verified.Claims(&claims)
	return protocol.Answer{"claims": claims, "tokens": token}, err
}

func (a *application) userinfo(p parameters) (protocol.Answer, error) {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: p.AccessToken})
	info, err := a.provider.UserInfo(a.ctx, source)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	err = info.Claims(&claims)
	return protocol.Answer{"claims": claims}, err
}

func (a *application) refresh(p parameters) (protocol.Answer, error) {
	token, err := a.config.TokenSource(a.ctx, &oauth2.Token{RefreshToken: p.RefreshToken}).Token()
	return protocol.Answer{"tokens": token}, err
}

// revoke asks at the endpoint that the metadata names; the library has nothing for it.
func (a *application) revoke(p parameters) (protocol.Answer, error) {
	var metadata struct {
		Endpoint string `json:"revocation_endpoint"`
	}
	if err := a.provider.Claims(&metadata); err != nil {
		return nil, err
	}
	form := url.Values{"token": {p.RefreshToken}, "token_type_hint": {"refresh_token"}}
	request, err := http.NewRequest(http.MethodPost, metadata.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(a.settings.ClientID), url.QueryEscape(a.settings.ClientSecret))
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return nil, nil
}

func (a *application) clientCredentials([]byte) (protocol.Answer, error) {
	config := clientcredentials.Config{
		ClientID:       a.settings.ClientID,
		ClientSecret:   a.settings.ClientSecret,
		TokenURL:       a.provider.Endpoint().TokenURL,
		EndpointParams: url.Values{"audience": {a.settings.Audience}},
	}
	token, err := config.Token(a.ctx)
	return protocol.Answer{"tokens": token}, err
}

// with reads the parameters of an operation.
func with(operation func(parameters) (protocol.Answer, error)) func([]byte) (protocol.Answer, error) {
	return func(line []byte) (protocol.Answer, error) {
		var p parameters
		if err := json.Unmarshal(line, &p); err != nil {
			return nil, err
		}
		return operation(p)
	}
}

// named gives the code of an OAuth error.
func named(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return refused.ErrorCode
	}
	return ""
}

func main() {
	var a application
	protocol.ServeOperations(protocol.Operations{
		"set_up":             a.setUp,
		"begin":              a.begin,
		"finish":             with(a.finish),
		"userinfo":           with(a.userinfo),
		"refresh":            with(a.refresh),
		"revoke":             with(a.revoke),
		"client_credentials": a.clientCredentials,
	}, named)
}
