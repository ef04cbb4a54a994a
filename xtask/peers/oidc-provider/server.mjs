// For `cargo xtask bench peers` and `bench endpoint` only: the clients' secrets are public, and everybody is signed in as
// ada. Given a folder with a certificate it serves over TLS, and remembers more than its default store does.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const folder = process.argv[3];
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const api = 'https://orders.example.com';

// The default store holds 1,000 entries of all kinds; this one holds all, and forgets nothing.
const kept = new Map();
const sessions = new Map();
class Kept {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload) {
    kept.set(`${this.model}:${id}`, payload);
    if (this.model === 'Session') sessions.set(payload.uid, id);
  }

  async find(id) {
    return kept.get(`${this.model}:${id}`);
  }

  async findByUid(uid) {
    return this.find(sessions.get(uid));
  }

  async consume(id) {
    kept.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    kept.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    for (const [key, { grantId: found }] of kept) if (found === grantId) kept.delete(key);
  }
}

const provider = new Provider(folder ? 'https://bench.example.com' : `http://127.0.0.1:${port}/`, {
  adapter: folder && Kept,
  claims: { openid: ['sub'], email: ['email'] },
  clients: [{
    client_id: 'load',
    client_secret: 'load-secret',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  }, {
    client_id: 'web',
    client_secret: 'web-secret',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['https://app.example.com/callback'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  cookies: { keys: ['unused'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params.client_id === 'load' ? api : undefined),
      getResourceServerInfo: () => ({
        accessTokenFormat: 'jwt',
        accessTokenTTL: 86400,
        audience: api,
        jwt: { sign: { alg: 'RS256' } },
        scope: 'read:orders',
      }),
    },
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com` }),
  }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'bench', use: 'sig' }] },
  // Nobody is asked: what the client may have is granted.
  loadExistingGrant: async ({ oidc }) => {
    const known = oidc.session.grantIdFor(oidc.client.clientId);
    if (known) return provider.Grant.find(known);
    const grant = new provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope('openid email offline_access');
    grant.addResourceScope(api, 'read:orders');
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
});

if (folder) {
  const [cert, key] = ['tls.crt', 'tls.key'].map((name) => readFileSync(`${folder}/${name}`));
  const answer = provider.callback();
  createServer({ cert, key }, (request, response) => {
    if (request.url.startsWith('/interaction/')) {
      return provider.interactionFinished(request, response, { login: { accountId: 'ada' } });
    }
    return answer(request, response);
  }).listen(port, '127.0.0.1');
} else {
  provider.listen(port, '127.0.0.1');
}
