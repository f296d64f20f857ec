/**
 * The session token: kept in storage, shared by all requests, renewed by one
 * login however many requests find it dead.
 *
 * There is no refresh token: wx.login is silent, so logging in again is the refresh.
 */

interface Kept {
  token: string
  /** Milliseconds since 1970, on this phone's clock. */
  expiresAt: number
}

export interface Renewed {
  token: string
  /** Seconds. */
  expiresIn: number
}

const storageKey = 'addcard.session'
/** A token this close to its end is not used: the request has to arrive too. */
const margin = 30_000

let flight: Promise<string> | undefined

/** The token in use, or '' when there is none that is still good. */
export function currentToken(): string {
  const kept = wx.getStorageSync<Kept | ''>(storageKey)
  return kept && kept.expiresAt - margin > Date.now() ? kept.token : ''
}

/**
 * A token other than the rejected one. When another request has renewed it
 * meanwhile that one is returned, and no login is made; callers at the same time
 * share one login and its error.
 */
export function renewToken(rejected: string, login: () => Promise<Renewed>): Promise<string> {
  const current = currentToken()
  if (current && current !== rejected) return Promise.resolve(current)
  flight ??= keep(login()).finally(() => {
    flight = undefined
  })
  return flight
}

async function keep(login: Promise<Renewed>): Promise<string> {
  const { token, expiresIn } = await login
  const kept: Kept = { token, expiresAt: Date.now() + expiresIn * 1000 }
  wx.setStorageSync(storageKey, kept)
  return token
}
