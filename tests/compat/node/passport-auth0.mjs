// passport-auth0 as an application whose users sign in, asked in the way in which Passport asks a strategy. The protocol is in
// ../README.md.

import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import Strategy from 'passport-auth0'
import { failure, redirect, serve } from './protocol.mjs'

let strategy
let session

/** An agent that trusts only `ca_file`, and dials `connect`. */
class Via extends Agent {
  constructor({ ca_file: caFile, connect }) {
    super({ ca: readFileSync(caFile) })
    this.connect = connect
  }

  createConnection(options, callback) {
    const there = redirect(options.host, this.connect) ?? {}
    return super.createConnection({ ...options, ...there, servername: options.host }, callback)
  }
}

/** What the strategy makes of a request: where it sends the browser, or who signed in. */
function authenticate(query, options) {
  return new Promise((resolve, reject) => {
    const asked = Object.assign(Object.create(strategy), {
      redirect: (url) => resolve({ url }),
      success: (user) => resolve(user),
      fail: (challenge) => reject(Object.assign(new Error(challenge?.message), { name: 'fail' })),
      error: reject,
    })
    asked.authenticate({ session, query, body: {}, headers: {}, connection: {} }, options)
  })
}

const operations = {
  async set_up(request) {
    session = {}
    strategy = new Strategy(
      {
        domain: new URL(request.issuer).host,
        clientID: request.client_id,
        clientSecret: request.client_secret,
        callbackURL: request.redirect_uri,
      },
      (access_token, refresh_token, { id_token }, profile, done) =>
        done(null, { claims: profile._json, tokens: { access_token, refresh_token, id_token } }),
    )
    strategy._oauth2.setAgent(new Via(request))
    strategy.options.asked = { scope: request.scope, audience: request.audience }
    return {}
  },

  begin: () => authenticate({}, strategy.options.asked),

  finish: ({ callback }) => authenticate(Object.fromEntries(new URL(callback).searchParams), {}),
}

await serve(operations, failure)
