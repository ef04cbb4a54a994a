// Signs a user in, shows who it is, calls the orders API and renews tokens: by refresh token, and in a hidden frame.

import { Auth0Client } from '/auth0-spa-js.js'

const config = await (await fetch('/config.json')).json()
const find = (id) => document.getElementById(id)

const client = (options) =>
  new Auth0Client({
    domain: config.domain,
    clientId: config.clientId,
    cacheLocation: config.cacheLocation,
    authorizationParams: {
      redirect_uri: location.origin,
      audience: config.audience,
      scope: 'openid profile email read:orders',
    },
    ...options,
  })

// Adds offline_access. A page that was loaded again has lost its refresh token, and asks in a frame instead.
const main = client({ useRefreshTokens: true, useRefreshTokensFallback: true })
// Knows no refresh token: it always asks in a frame, by the session that the user has at the tenant.
const framed = client({ cacheLocation: 'memory' })

/** What a token says, without believing it: the API checks it. */
function decode(token) {
  const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (char) => char.charCodeAt(0))))
}

function show(id, value) {
  find(id).textContent = JSON.stringify(value, null, 2)
}

/** Does something, and shows what went wrong with it. */
async function attempt(what) {
  find('error').hidden = true
  try {
    await what()
  } catch (error) {
    find('error').textContent = `${error.error ?? error.name}: ${error.error_description ?? error.message}`
    find('error').hidden = false
  }
}

async function render() {
  const user = await main.getUser()
  find('state').textContent = user ? `You are ${user.email}.` : 'You are not signed in.'
  find('nobody').hidden = Boolean(user)
  find('somebody').hidden = !user
  if (user) show('profile', user)
}

async function renew(by) {
  show('answer', { renewed: decode(await by.getTokenSilently({ cacheMode: 'off' })) })
}

const actions = {
  'sign-in': () => main.loginWithRedirect(),
  'sign-out': () => main.logout({ logoutParams: { returnTo: location.origin } }),
  refresh: () => renew(main),
  frame: () => renew(framed),
  async orders() {
    const headers = { authorization: `Bearer ${await main.getTokenSilently()}` }
    const response = await fetch(config.api, { headers })
    show('answer', { status: response.status, ...(await response.json()) })
  },
}
for (const [id, action] of Object.entries(actions)) {
  find(id).addEventListener('click', () => attempt(action))
}

await attempt(async () => {
  const query = new URLSearchParams(location.search)
  if (query.has('state') && (query.has('code') || query.has('error'))) {
    // The code is of no use a second time: not in the history either.
    history.replaceState(null, '', '/')
    await main.handleRedirectCallback(`${location.origin}/?${query}`)
  } else {
    await main.checkSession()
  }
})
await render()
