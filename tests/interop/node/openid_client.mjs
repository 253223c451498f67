// openid-client as a relying party with a secret, every check on that it has.
import * as oidc from 'openid-client'
import { talk } from './talk.mjs'

let config
let kept
let settings

async function authentication({ method = 'basic', secret, key }) {
  if (method === 'post') return oidc.ClientSecretPost(secret)
  if (method === 'basic') return oidc.ClientSecretBasic(secret)
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  return oidc.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', key, algorithm, false, ['sign']), kid: key.kid })
}

async function authorization({ extra = {}, pushed = false }) {
  kept = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() }
  const parameters = {
    redirect_uri: settings.redirect_uri,
    scope: settings.scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(kept.verifier),
    code_challenge_method: 'S256',
    state: kept.state,
    nonce: kept.nonce,
    ...extra,
  }
  kept.maxAge = parameters.max_age === undefined ? undefined : Number(parameters.max_age)
  const url = pushed
    ? await oidc.buildAuthorizationUrlWithPAR(config, parameters)
    : oidc.buildAuthorizationUrl(config, parameters)
  return url.href
}

await talk({
  async discover(given) {
    settings = given
    config = await oidc.discovery(new URL(given.issuer), given.client_id, {}, await authentication(given), {
      execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
    })
    return config.serverMetadata()
  },
  authorize: authorization,
  async finish({ url, posted, state = kept.state, nonce = kept.nonce, verifier = kept.verifier }) {
    const form = posted && new URLSearchParams(posted)
    const answer = form ? new Request(url, { method: 'POST', body: form }) : new URL(url)
    const tokens = await oidc.authorizationCodeGrant(config, answer, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
      maxAge: kept.maxAge,
    })
    return { tokens, claims: tokens.claims() }
  },
  async refresh({ token }) {
    const tokens = await oidc.refreshTokenGrant(config, token)
    return { tokens, claims: tokens.claims() ?? null }
  },
  userinfo: ({ token, subject }) => oidc.fetchUserInfo(config, token, subject),
  revoke: ({ token }) => oidc.tokenRevocation(config, token),
  machine: (parameters) => oidc.clientCredentialsGrant(config, parameters),
  introspect: ({ token }) => oidc.tokenIntrospection(config, token),
  logout: ({ id_token, ...more }) => oidc.buildEndSessionUrl(config, { id_token_hint: id_token, ...more }).href,
})
