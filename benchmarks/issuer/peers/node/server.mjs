// oidc-provider as a peer: `node server.mjs PORT [REDIS_URL]`, in memory without one. What people answer on pages is
// answered at once, so that a load can sign in and say yes by itself; everything else is the library's own doing.
import { createServer } from 'node:http';

import Provider, { errors } from 'oidc-provider';

import { adapterOn } from './redis_adapter.mjs';

const [port, redis] = process.argv.slice(2);
const ISSUER = `http://localhost:${port}`;
const CALLBACK = 'https://shop.example.com/cb';
const API = 'http://localhost:8412';
const SECRET = 'the-secret-of-the-orders-api-and-of-nobody-else';
const FORMATS = { [API]: 'jwt', 'http://localhost:8413': 'opaque' };

const { subtle } = globalThis.crypto;
const key = async () => {
  const { privateKey } = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  return { ...(await subtle.exportKey('jwk', privateKey)), alg: 'ES256', use: 'sig', key_ops: undefined };
};
const client = (client_id, more) => ({
  client_id, client_secret: SECRET, id_token_signed_response_alg: 'ES256', redirect_uris: [],
  response_types: [], ...more,
});
const people = { redirect_uris: [CALLBACK], response_types: ['code'], grant_types: ['authorization_code', 'refresh_token'] };

const provider = new Provider(ISSUER, {
  adapter: redis ? adapterOn(redis) : undefined,
  jwks: { keys: [await key()] },
  clients: [
    client('robot', { grant_types: ['client_credentials'] }),
    client('shop', people),
    client('spa', { ...people, client_secret: undefined, token_endpoint_auth_method: 'none' }),
  ],
  cookies: { keys: ['of-a-benchmark-alone'] },
  scopes: ['openid'],
  clientBasedCORS: () => true,
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, of) => of.grantTypeAllowed('refresh_token'),
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 300, ClientCredentials: 300, RefreshToken: 86_400, Session: 86_400, Grant: 86_400, Interaction: 600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      useGrantedResource: () => true,
      getResourceServerInfo(ctx, name) {
        if (!(name in FORMATS)) throw new errors.InvalidTarget();
        return {
          scope: 'orders:read', audience: name, accessTokenTTL: 300, accessTokenFormat: FORMATS[name],
          jwt: { sign: { alg: 'ES256' } },
        };
      },
    },
  },
});

async function answer(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: `person${Math.floor(Math.random() * 1e6)}` } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid');
  for (const name of Object.keys(FORMATS)) grant.addResourceScope(name, 'orders:read');
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

const served = provider.callback();
createServer((request, response) => {
  if (request.url === '/ready') return response.end();
  if (!request.url.startsWith('/interaction/')) return served(request, response);
  return answer(request, response).catch((error) => { response.statusCode = 500; response.end(String(error)); });
}).listen(Number(port), '127.0.0.1');
