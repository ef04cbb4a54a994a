// Acme Shop: a web application whose server signs users in by express-openid-connect, keeps their tokens, and calls the orders
// API for them. See ../README.md.

import { randomBytes } from 'node:crypto'
import express from 'express'
import oidc from 'express-openid-connect'
import { orders } from './orders.mjs'
import { escape, json, page } from './pages.mjs'

const { auth, requiresAuth } = oidc
const { CLIENT_ID, CLIENT_SECRET, ISSUER_BASE_URL } = process.env
const PORT = Number(process.env.PORT ?? 3000)
const BASE_URL = `http://localhost:${PORT}`
const AUDIENCE = 'https://orders.acme.example'
// The tenant's own domain, and its custom domain.
const ISSUERS = (process.env.ISSUERS ?? 'https://acme.localhost:7743/ https://login.acme-shop.localhost:7743/').split(' ')

const app = express()
app.use('/api/orders', orders(ISSUERS, AUDIENCE))
app.use(
  auth({
    authRequired: false,
    baseURL: BASE_URL,
    issuerBaseURL: ISSUER_BASE_URL,
    clientID: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    // Seals the session's cookie; whoever starts this anew signs in anew.
    secret: randomBytes(32).toString('hex'),
    // Signing out here ends the session at the tenant, too.
    idpLogout: true,
    authorizationParams: {
      response_type: 'code',
      audience: AUDIENCE,
      scope: 'openid profile email offline_access read:orders',
    },
  }),
)

app.get('/', (req, res) => {
  const { user } = req.oidc
  const text = user ? `<p>You are <strong id="user">${escape(user.email)}</strong>.</p>` : '<p id="nobody">You are not signed in.</p>'
  res.send(page('Welcome', user, text))
})

app.get('/profile', requiresAuth(), async (req, res) => {
  const { user, idTokenClaims } = req.oidc
  const info = await req.oidc.fetchUserInfo()
  const body = `<h3>ID token</h3>${json('claims', idTokenClaims)}<h3>/userinfo</h3>${json('userinfo', info)}`
  res.send(page(user.name ?? user.sub, user, body))
})

app.get('/orders', requiresAuth(), async (req, res) => {
  let { accessToken } = req.oidc
  const renewed = accessToken.isExpired()
  if (renewed) accessToken = await accessToken.refresh()
  const response = await fetch(`${BASE_URL}/api/orders`, {
    headers: { authorization: `${accessToken.token_type} ${accessToken.access_token}` },
  })
  const how = renewed ? 'with a token that a refresh token brought just now' : 'with the token from signing in, or the last renewal'
  const body = `<p>Asked <span id="how">${how}</span>: ${response.status}</p>${json('answer', await response.json())}
<form method="post" action="/renew"><button>Renew the access token</button></form>`
  res.send(page('Orders', req.oidc.user, body))
})

app.post('/renew', requiresAuth(), async (req, res) => {
  await req.oidc.accessToken.refresh()
  res.redirect(303, '/orders')
})

// What the tenant answered in the place of a code, such as access_denied; and what broke.
app.use((error, req, res, _next) => {
  console.error(error.message)
  const body = `<p id="error">${escape(error.error ?? error.name)}: ${escape(error.error_description ?? error.message)}</p>
<p><a href="/">Back</a></p>`
  res.status(error.status ?? 500).send(page('That did not work', req.oidc?.user, body))
})

app.listen(PORT, '127.0.0.1', () => console.log(`Acme Shop: ${BASE_URL}`))
