// jose as a resource server uses it, and openid-client as an application. The protocol is in ../README.md.

import * as jose from 'jose'
import * as oidc from 'openid-client'
import { failure, fetchVia, serve } from './protocol.mjs'

// jose checks only the claims that are present, unless told which ones an access token must have.
const REQUIRED = ['iss', 'sub', 'aud', 'exp', 'iat']

/** The `jwks_uri` of the issuer's metadata, which has to name the very same issuer (OpenID Connect Discovery 4.3). */
async function discover(issuer, fetch) {
  const response = await fetch(`${issuer}.well-known/openid-configuration`)
  if (response.status !== 200) throw new Error(`discovery answered ${response.status}`)
  const metadata = await response.json()
  if (metadata.issuer !== issuer) throw new Error(`the metadata names the issuer ${metadata.issuer}`)
  return metadata.jwks_uri
}

let verifier
let application

const operations = {
  async configure(request) {
    const fetch = fetchVia(request)
    const jwksUri =
      request.mode === 'discovery' ? await discover(request.issuer, fetch) : request.jwks_uri
    const keys = jose.createRemoteJWKSet(new URL(jwksUri), {
      [jose.customFetch]: fetch,
      // The cooldown only spares the server; with 0 a key made a moment ago is found at once, as the tests want.
      cooldownDuration: request.cooldown_ms ?? 0,
    })
    const options = {
      issuer: request.issuer,
      audience: request.audience,
      algorithms: request.algorithms,
      requiredClaims: REQUIRED,
      ...(request.typ && { typ: request.typ }),
    }
    verifier = (token) => jose.jwtVerify(token, keys, options)
    return {}
  },

  async verify({ token }) {
    const { payload } = await verifier(token)
    return { claims: payload }
  },

  async token({ discovery_uri: discoveryUri, client_id: clientId, ...parameters }) {
    // Given a whole `.well-known` URL, openid-client takes the issuer from the document: it is https, while the
    // workload API is plain HTTP on loopback, and only that second fact has to be allowed.
    application = await oidc.discovery(new URL(discoveryUri), clientId, undefined, oidc.None(), {
      execute: [oidc.allowInsecureRequests],
    })
    const { op, ...sent } = parameters
    return { response: await oidc.clientCredentialsGrant(application, sent) }
  },

  async introspect({ token }) {
    return { claims: await oidc.tokenIntrospection(application, token) }
  },
}

await serve(operations, failure)
