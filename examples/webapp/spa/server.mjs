// Order Watch: serves a page that signs users in by itself, with auth0-spa-js. The server keeps no secret and sees no token: it
// only says what the page is set up with. See ../README.md.

import { fileURLToPath } from 'node:url'
import express from 'express'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const PORT = Number(process.env.PORT ?? 3001)

const app = express()
app.use(express.static(here('public')))
app.get('/auth0-spa-js.js', (_req, res) => {
  res.sendFile('auth0-spa-js.production.esm.js', { root: here('node_modules/@auth0/auth0-spa-js/dist') })
})
app.get('/config.json', (_req, res) => {
  res.json({
    domain: new URL(process.env.ISSUER_BASE_URL).host,
    clientId: process.env.CLIENT_ID,
    // In memory no other script of the page finds the tokens, and a reload gets new ones through a frame.
    cacheLocation: process.env.CACHE_LOCATION ?? 'memory',
    audience: 'https://orders.acme.example',
    api: process.env.API ?? 'http://localhost:3000/api/orders',
  })
})
app.listen(PORT, '127.0.0.1', () => console.log(`Order Watch: http://localhost:${PORT}`))
