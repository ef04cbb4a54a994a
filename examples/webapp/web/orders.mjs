// The orders API: it believes access tokens of the tenant, and looks at their scopes. It knows nothing of who signs users in;
// express-oauth2-jwt-bearer learns the keys by discovery.

import { Router } from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'

const ORDERS = [
  { id: 1001, item: 'Difference engine, second hand' },
  { id: 1002, item: 'Punched cards, box of 500' },
]

/** `issuers`: every name of the tenant, since `iss` is the one that the user signed in at. */
export function orders(issuers, audience) {
  const router = Router()
  // Pages of any origin may ask, as no cookie opens anything here: a token does.
  router.use((req, res, next) => {
    res.set('Access-Control-Allow-Origin', '*')
    res.set('Access-Control-Allow-Headers', 'Authorization')
    if (req.method === 'OPTIONS') res.sendStatus(204)
    else next()
  })
  // Else the library takes ISSUER_BASE_URL as the only issuer, where one is set.
  router.use(auth({ mcd: { issuers }, issuerBaseURL: null, audience }))
  router.get('/', requiredScopes('read:orders'), (req, res) => {
    const { sub, iss, aud, scope, exp } = req.auth.payload
    res.json({ orders: ORDERS, token: { sub, iss, aud, scope, exp } })
  })
  router.use((error, _req, res, _next) => {
    res
      .status(error.status ?? 500)
      .set(error.headers)
      .json({ error: error.code ?? error.name, message: error.message })
  })
  return router
}
