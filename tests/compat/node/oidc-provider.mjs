// oidc-provider as a provider that knows the users of a tenant, with its own pages. The protocol is in ../README.md.

import { createServer } from 'node:http'
import Provider from 'oidc-provider'
import { failure, serve } from './protocol.mjs'

const server = createServer()

const operations = {
  /** Takes a port, so that the tenant can be told of the issuer before the provider is told of the tenant. */
  async listen() {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { issuer: `http://127.0.0.1:${server.address().port}` }
  },

  /** Becomes the provider of one client. */
  async set_up({ client_id, client_secret, redirect_uris }) {
    const provider = new Provider(`http://127.0.0.1:${server.address().port}`, {
      clients: [{ client_id, client_secret, redirect_uris }],
      claims: { email: ['email', 'email_verified'], profile: ['name'] },
      cookies: { keys: ['of the tests'] },
      // Whoever signs in at its pages is who they say.
      findAccount: (_, id) => ({
        accountId: id,
        claims: () => ({ sub: id, email: `${id}@corp.example`, email_verified: true, name: `${id} of Corp` }),
      }),
      pkce: { required: () => true },
    })
    server.on('request', provider.callback())
    return {}
  },
}

await serve(operations, failure)
server.close()
server.closeAllConnections()
