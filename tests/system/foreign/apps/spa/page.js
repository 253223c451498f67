// A page with oidc-client-ts as its manual has it. `manager` is there for the test to call; what came of a callback
// stands in the output.
const home = location.origin
const { issuer, client_id, scope } = Object.fromEntries(new URLSearchParams(localStorage.getItem('settings') ?? ''))
const say = (text) => { document.querySelector('output').textContent = text }

if (issuer) {
  window.manager = new oidc.UserManager({
    authority: issuer,
    client_id,
    scope,
    redirect_uri: `${home}/`,
    silent_redirect_uri: `${home}/`,
    post_logout_redirect_uri: `${home}/bye`,
    userStore: new oidc.WebStorageStateStore({ store: sessionStorage }),
    automaticSilentRenew: false,
    loadUserInfo: true,
  })
}

addEventListener('DOMContentLoaded', async () => {
  const answered = /[?&](code|error)=/.test(location.search)
  try {
    if (location.pathname === '/bye') {
      await manager.signoutRedirectCallback()
      say('signed out')
    } else if (answered && window.parent !== window) {
      await manager.signinSilentCallback()
    } else if (answered) {
      const user = await manager.signinRedirectCallback()
      say(`signed in as ${user.profile.email}`)
    } else {
      say('nobody')
    }
  } catch (error) {
    say(`refused: ${error.error ?? error.message}`)
  }
})

// What a call came to, as a value that the test can read.
window.outcome = async (call) => {
  try {
    const user = await call()
    return user && { sub: user.profile.sub, access_token: user.access_token, refresh_token: user.refresh_token ?? null }
  } catch (error) {
    return { refused: error.error ?? error.message }
  }
}
