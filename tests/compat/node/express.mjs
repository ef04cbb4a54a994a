// express-oauth2-jwt-bearer in an Express application, asked over HTTP. The protocol is in ../README.md.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import express from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'
import { redirect, serve } from './protocol.mjs'

/** An agent that trusts only `ca_file`, and dials `connect` for every host that is not an IP address. */
function agentVia({ ca_file: caFile, connect: address }) {
  const agent = caFile ? new https.Agent({ ca: readFileSync(caFile) }) : new http.Agent()
  const dial = agent.createConnection
  agent.createConnection = (options, callback) =>
    dial.call(agent, { ...options, ...redirect(options.host, address) }, callback)
  return agent
}

/** The application: `/` asks for a token, `/scope/<scope>` for one with a scope. */
function application(request) {
  const where =
    request.mode === 'discovery'
      ? { issuerBaseURL: request.issuer }
      : { issuer: request.issuer, jwksUri: request.jwks_uri, tokenSigningAlg: request.algorithms[0] }
  const app = express()
  app.use(
    auth({
      ...where,
      audience: request.audience,
      agent: agentVia(request),
      // RFC 9068: `typ`, and the claims that it asks for.
      strict: request.typ === 'at+jwt',
      clockTolerance: 0,
      // The cooldown only spares the server; with 0 a key made a moment ago is found at once, as the tests want.
      cooldownDuration: request.cooldown_ms ?? 0,
    }),
  )
  const answer = (req, res) => res.json(req.auth.payload)
  app.get('/', answer)
  app.get('/scope/:scope', (req, res, next) => requiredScopes(req.params.scope)(req, res, next), answer)
  // What Express would do by itself, with the library's message and code as the body instead of a page.
  app.use((error, _req, res, _next) => {
    res
      .status(error.status ?? 500)
      .set(error.headers)
      .json({ error: error.code ?? error.name, message: error.message })
  })
  return app
}

/** A refusal by the application, as the caller sees it. */
class Refused extends Error {}

let server

const operations = {
  async configure(request) {
    server?.close()
    server = application(request).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {}
  },

  async verify({ token, scope }) {
    const path = scope ? `/scope/${encodeURIComponent(scope)}` : '/'
    const headers = token ? { authorization: `Bearer ${token}` } : {}
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers })
    const body = await response.json()
    if (response.ok) return { claims: body }
    const challenge = response.headers.get('www-authenticate')
    throw Object.assign(new Refused(body.message), { answer: { ...body, status: response.status, challenge } })
  },
}

await serve(operations, (error) => error.answer ?? { error: error.name, message: error.message })
// The server would keep the process alive.
process.exit()
