/**
 * The session token. It is stored, shared by all requests, and renewed with one
 * login, however many requests find that it is invalid.
 *
 * There is no refresh token: wx.login needs no user interaction, so another login
 * does the same.
 */

interface Stored {
  token: string
  /** Milliseconds since 1970, by the phone's clock. */
  expiresAt: number
}

export interface Renewed {
  token: string
  /** Seconds. */
  expiresIn: number
}

const storageKey = 'addcard.session'
/** A token that expires sooner than this is not used, because the request takes time as well. */
const margin = 30_000

let renewal: Promise<string> | undefined

/** The current token, or '' if there is no valid one. */
export function currentToken(): string {
  const stored = wx.getStorageSync<Stored | ''>(storageKey)
  return stored && stored.expiresAt - margin > Date.now() ? stored.token : ''
}

/**
 * Returns a token other than the rejected one. If another request has renewed
 * the token already, there is no further login. Concurrent callers share one
 * login, and its error.
 */
export function renewToken(rejected: string, login: () => Promise<Renewed>): Promise<string> {
  const current = currentToken()
  if (current && current !== rejected) return Promise.resolve(current)
  renewal ??= store(login()).finally(() => {
    renewal = undefined
  })
  return renewal
}

async function store(login: Promise<Renewed>): Promise<string> {
  const { token, expiresIn } = await login
  const stored: Stored = { token, expiresAt: Date.now() + expiresIn * 1000 }
  wx.setStorageSync(storageKey, stored)
  return token
}
