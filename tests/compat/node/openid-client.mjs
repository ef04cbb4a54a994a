// openid-client as an application whose users sign in. The protocol is in ../README.md.

import * as oidc from 'openid-client'
import { failure, fetchVia, serve } from './protocol.mjs'

let application
let asked
let checks

/** What the tests need of a token endpoint's answer. */
const tokens = ({ access_token, refresh_token, id_token }) => ({ access_token, refresh_token, id_token })

const operations = {
  async set_up(request) {
    asked = request
    application = await oidc.discovery(new URL(request.issuer), request.client_id, undefined, oidc.ClientSecretBasic(request.client_secret), {
      [oidc.customFetch]: fetchVia(request),
    })
    return {}
  },

  async begin() {
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
    checks = { pkceCodeVerifier, expectedNonce: oidc.randomNonce(), expectedState: oidc.randomState(), idTokenExpected: true }
    const url = oidc.buildAuthorizationUrl(application, {
      redirect_uri: asked.redirect_uri,
      audience: asked.audience,
      scope: asked.scope,
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      nonce: checks.expectedNonce,
      state: checks.expectedState,
    })
    return { url }
  },

  async finish({ callback }) {
    const answer = await oidc.authorizationCodeGrant(application, new URL(callback), checks)
    return { claims: answer.claims(), tokens: tokens(answer) }
  },

  async userinfo({ access_token: token, subject }) {
    return { claims: await oidc.fetchUserInfo(application, token, subject) }
  },

  async refresh({ refresh_token: token }) {
    return { tokens: tokens(await oidc.refreshTokenGrant(application, token)) }
  },

  async revoke({ refresh_token: token }) {
    await oidc.tokenRevocation(application, token)
    return {}
  },

  async client_credentials() {
    return { tokens: tokens(await oidc.clientCredentialsGrant(application, { audience: asked.audience })) }
  },
}

await serve(operations, failure)
