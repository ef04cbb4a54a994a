// Command go-jwt-middleware is go-jwt-middleware in front of a handler of net/http, asked over HTTP. The protocol is
// in ../../README.md.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"

	"mintage.dev/compat/protocol"
)

// cacheTTL is how long the key set is kept. The library never fetches it for the sake of a new `kid`, so it has to be
// shorter than the time between a key's publication and its first signature: two seconds in the tests.
const cacheTTL = 500 * time.Millisecond

// claims are all of a token's: the library's own RegisteredClaims leave the others out.
type claims map[string]any

// Validate asks for what an access token must have: the library checks only the claims that are present.
func (c *claims) Validate(context.Context) error {
	for _, name := range []string{"sub", "exp", "iat"} {
		if _, present := (*c)[name]; !present {
			return &protocol.MissingClaim{Name: name}
		}
	}
	return nil
}

// application is the API: its answer is the claims of the token that it was asked with.
type application struct{ typ string }

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := jwtmiddleware.AuthHeaderTokenExtractor(r)
	if err == nil {
		err = protocol.CheckType(token, a.typ)
	}
	if err != nil {
		refuse(w, r, fmt.Errorf("%w: %w", jwtmiddleware.ErrJWTInvalid, err))
		return
	}
	validated := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(validated.CustomClaims) // a caller who is gone needs no answer
}

// reason is the header with the library's text for a refusal, which its own answer hides.
const reason = "X-Reason"

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set(reason, err.Error())
	jwtmiddleware.DefaultErrorHandler(w, r, err)
}

// caller asks the application as any client of an API would.
type caller struct{ server *http.Server }

// refused is an answer that is not 200.
type refused struct {
	status int
	reason string
}

func (e *refused) Error() string { return fmt.Sprintf("%d: %s", e.status, e.reason) }

// Verify asks the application with a token.
func (c *caller) Verify(token string) (json.RawMessage, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+c.server.Addr, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = &refused{response.StatusCode, response.Header.Get(reason)}
	}
	return body, err
}

// running is the application of the last configure.
var running *http.Server

func configure(r protocol.Request) (*caller, error) {
	client, err := r.Client()
	if err != nil {
		return nil, err
	}
	issuer, err := url.Parse(r.Issuer)
	if err != nil {
		return nil, err
	}
	options := []any{jwks.WithCustomClient(client), jwks.WithSynchronousRefresh(true)}
	if r.Mode == "jwks" {
		keys, err := url.Parse(r.JWKSURI)
		if err != nil {
			return nil, err
		}
		options = append(options, jwks.WithCustomJWKSURI(keys))
	}
	tokens, err := validator.New(
		jwks.NewCachingProvider(issuer, cacheTTL, options...).KeyFunc,
		validator.SignatureAlgorithm(r.Algorithms[0]),
		r.Issuer,
		[]string{r.Audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return &claims{} }),
	)
	if err != nil {
		return nil, err
	}
	middleware := jwtmiddleware.New(tokens.ValidateToken, jwtmiddleware.WithErrorHandler(refuse))
	return serve(middleware.CheckJWT(&application{r.Typ}))
}

func serve(handler http.Handler) (*caller, error) {
	if running != nil {
		_ = running.Close() // nobody asks it any more
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	running = &http.Server{Addr: listener.Addr().String(), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	server := running
	go func() { _ = server.Serve(listener) }() // it ends by Close alone
	return &caller{server}, nil
}

func main() { protocol.Serve(configure) }
