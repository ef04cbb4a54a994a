// Command compat is go-oidc as a resource server uses it. The protocol is in ../README.md.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// request is one line of standard input.
type request struct {
	Op         string   `json:"op"`
	Mode       string   `json:"mode"`
	Issuer     string   `json:"issuer"`
	JWKSURI    string   `json:"jwks_uri"`
	Audience   string   `json:"audience"`
	Algorithms []string `json:"algorithms"`
	CAFile     string   `json:"ca_file"`
	Connect    string   `json:"connect"`
	Typ        string   `json:"typ"`
	Token      string   `json:"token"`
}

// reply is one line of standard output.
type reply struct {
	OK      bool            `json:"ok"`
	Claims  json.RawMessage `json:"claims,omitempty"`
	Error   string          `json:"error,omitempty"`
	Message string          `json:"message,omitempty"`
}

// wrongType is for a header whose `typ` is not the expected one, which go-oidc leaves to its caller (RFC 9068 section 4).
type wrongType struct{ typ string }

func (e *wrongType) Error() string { return fmt.Sprintf("typ is %q", e.typ) }

// missingClaim is for an access token without a claim that RFC 9068 section 2.2 asks for and an ID token may lack.
type missingClaim struct{ name string }

func (e *missingClaim) Error() string { return fmt.Sprintf("token is missing the %q claim", e.name) }

type verifier struct {
	tokens *oidc.IDTokenVerifier
	typ    string
}

// httpClient trusts only the CA file, and dials connect for every host that is not an IP address.
func httpClient(caFile, connect string) (*http.Client, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", caFile)
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err == nil && connect != "" && net.ParseIP(host) == nil {
			address = connect
		}
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}, nil
}

func configure(r request) (*verifier, error) {
	client, err := httpClient(r.CAFile, r.Connect)
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

func (v *verifier) verify(token string) (json.RawMessage, error) {
	verified, err := v.tokens.Verify(context.Background(), token)
	if err != nil {
		return nil, err
	}
	if verified.Subject == "" {
		return nil, &missingClaim{"sub"}
	}
	if verified.IssuedAt.IsZero() {
		return nil, &missingClaim{"iat"}
	}
	if v.typ != "" {
		if typ := headerType(token); strings.TrimPrefix(strings.ToLower(typ), "application/") != strings.ToLower(v.typ) {
			return nil, &wrongType{typ}
		}
	}
	var claims json.RawMessage
	err = verified.Claims(&claims)
	return claims, err
}

// headerType is the `typ` of a token whose signature is already verified; "" where there is none.
func headerType(token string) string {
	encoded, _, _ := strings.Cut(token, ".")
	var header struct {
		Typ string `json:"typ"`
	}
	if raw, err := base64.RawURLEncoding.DecodeString(encoded); err == nil {
		_ = json.Unmarshal(raw, &header) // a header that go-oidc accepted is JSON
	}
	return header.Typ
}

// errorName is the type of the first named error in the chain: most of go-oidc's errors have only a text.
func errorName(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		t := reflect.TypeOf(e)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Name() != "errorString" && t.Name() != "wrapError" && t.Name() != "joinError" {
			return t.Name()
		}
	}
	return "error"
}

func main() {
	var current *verifier
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var (
			r      request
			claims json.RawMessage
			err    = json.Unmarshal(input.Bytes(), &r)
		)
		switch {
		case err != nil:
		case r.Op == "configure":
			current, err = configure(r)
		case r.Op == "verify" && current != nil:
			claims, err = current.verify(r.Token)
		default:
			err = fmt.Errorf("cannot do op %q now", r.Op)
		}
		answer := reply{OK: err == nil, Claims: claims}
		if err != nil {
			answer = reply{Error: errorName(err), Message: err.Error()}
		}
		if output.Encode(answer) != nil {
			os.Exit(1)
		}
	}
	if input.Err() != nil {
		os.Exit(1)
	}
}
