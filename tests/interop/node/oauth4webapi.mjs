// oauth4webapi as a public client: each request made and each answer judged by itself, signatures included.
import * as oauth from 'oauth4webapi'
import { talk } from './talk.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }
let server
let client
let settings
let kept

async function judged(response, process, options) {
  const tokens = await process(server, client, response, options)
  if (tokens.id_token) await oauth.validateApplicationLevelSignature(server, response, insecure)
  return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) ?? null }
}

await talk({
  async discover(given) {
    settings = given
    const issuer = new URL(given.issuer)
    const response = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: given.algorithm ?? 'oidc' })
    server = await oauth.processDiscoveryResponse(issuer, response)
    client = { client_id: given.client_id }
    return server
  },
  async authorize() {
    kept = {
      verifier: oauth.generateRandomCodeVerifier(),
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
    }
    const url = new URL(server.authorization_endpoint)
    url.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: settings.redirect_uri,
      response_type: 'code',
      scope: settings.scope,
      code_challenge: await oauth.calculatePKCECodeChallenge(kept.verifier),
      code_challenge_method: 'S256',
      state: kept.state,
      nonce: kept.nonce,
    })
    return url.href
  },
  async finish({ url, nonce = kept.nonce, verifier = kept.verifier }) {
    const parameters = oauth.validateAuthResponse(server, client, new URL(url), kept.state)
    const response = await oauth.authorizationCodeGrantRequest(
      server, client, oauth.None(), parameters, settings.redirect_uri, verifier, insecure,
    )
    return judged(response, oauth.processAuthorizationCodeResponse, { expectedNonce: nonce, requireIdToken: true })
  },
  async refresh({ token }) {
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, insecure)
    return judged(response, oauth.processRefreshTokenResponse)
  },
  async userinfo({ token, subject }) {
    const response = await oauth.userInfoRequest(server, client, token, insecure)
    return oauth.processUserInfoResponse(server, client, subject, response)
  },
  async revoke({ token }) {
    const response = await oauth.revocationRequest(server, client, oauth.None(), token, insecure)
    return oauth.processRevocationResponse(response)
  },
  // As an API would look at the access token, RFC 9068 §4.
  async access({ token, audience }) {
    const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } })
    return oauth.validateJwtAccessToken(server, request, audience, insecure)
  },
})
