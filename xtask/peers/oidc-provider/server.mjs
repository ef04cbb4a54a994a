// For `cargo xtask bench peers` only: the client's secret is public.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const api = 'https://orders.example.com';

const provider = new Provider(`http://127.0.0.1:${port}/`, {
  clients: [{
    client_id: 'load',
    client_secret: 'load-secret',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  cookies: { keys: ['unused'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      getResourceServerInfo: () => ({
        accessTokenFormat: 'jwt',
        accessTokenTTL: 86400,
        audience: api,
        jwt: { sign: { alg: 'RS256' } },
        scope: 'read:orders',
      }),
    },
  },
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'bench', use: 'sig' }] },
});
provider.listen(port, '127.0.0.1');
