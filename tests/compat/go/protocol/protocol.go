// Package protocol is what the programs of this folder share: the lines in and out, and the way to the issuer.
// See ../../README.md.
package protocol

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
)

// Request is one line of standard input.
type Request struct {
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

// Verifier gives the claims of a good token.
type Verifier interface {
	Verify(token string) (json.RawMessage, error)
}

// Serve answers each line of standard input, and ends the process at the end of it.
func Serve[V Verifier](configure func(Request) (V, error)) {
	var current Verifier
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var (
			r      Request
			claims json.RawMessage
			err    = json.Unmarshal(input.Bytes(), &r)
		)
		switch {
		case err != nil:
		case r.Op == "configure":
			current, err = configure(r)
		case r.Op == "verify" && current != nil:
			claims, err = current.Verify(r.Token)
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

// wrongType is for a header whose `typ` is not the expected one.
type wrongType struct{ typ string }

func (e *wrongType) Error() string { return fmt.Sprintf("typ is %q", e.typ) }

// MissingClaim is for an access token without a claim that RFC 9068 section 2.2 asks for and the library may leave out.
type MissingClaim struct{ Name string }

func (e *MissingClaim) Error() string { return fmt.Sprintf("token is missing the %q claim", e.Name) }

// CheckType checks the `typ` of a token whose signature is already verified, which the libraries of this folder leave
// to their caller (RFC 9068 section 4).
func CheckType(token, expected string) error {
	encoded, _, _ := strings.Cut(token, ".")
	var header struct {
		Typ string `json:"typ"`
	}
	if raw, err := base64.RawURLEncoding.DecodeString(encoded); err == nil {
		_ = json.Unmarshal(raw, &header) // a header that the library accepted is JSON
	}
	typ := strings.TrimPrefix(strings.ToLower(header.Typ), "application/")
	if expected != "" && typ != strings.ToLower(expected) {
		return &wrongType{header.Typ}
	}
	return nil
}

// errorName is the type of the first named error in the chain: most of these libraries' errors have only a text.
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
