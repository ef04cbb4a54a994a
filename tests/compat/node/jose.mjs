// jose as a resource server uses it, and openid-client as an application. The protocol is in ../README.md.

import { readFileSync } from 'node:fs'
import * as jose from 'jose'
import * as oidc from 'openid-client'
import { Agent, buildConnector, fetch as undiciFetch } from 'undici'
import { redirect, serve } from './protocol.mjs'

// jose checks only the claims that are present, unless told which ones an access token must have.
const REQUIRED = ['iss', 'sub', 'aud', 'exp', 'iat']

/** A `fetch` that trusts only `ca_file`, and dials `connect` for every host that is not an IP address. */
function fetchVia({ ca_file: caFile, connect: address }) {
  const connector = buildConnector(caFile ? { ca: readFileSync(caFile) } : {})
  const dispatcher = new Agent({
    connect(options, callback) {
      const there = redirect(options.hostname, address)
      if (!there) return connector(options, callback)
      connector({ ...options, hostname: there.host, port: there.port, servername: options.hostname }, callback)
    },
  })
  return (url, { headers, ...options } = {}) =>
    undiciFetch(url, { ...options, headers: Object.fromEntries(new Headers(headers)), dispatcher })
}

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

/** The library's own name for what went wrong: jose and openid-client set `code`, OAuth errors carry `error`. */
function failure(error) {
  const name = error.error ?? error.code ?? error.name
  // `fetch` hides the TLS or socket error in the cause.
  const message = [error.message, error.error_description, error.cause?.message].filter(Boolean).join(': ')
  return { error: name, message }
}

await serve(operations, failure)
