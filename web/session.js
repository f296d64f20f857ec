/**
 * 登录与请求。 Signing in, and requests to addcard.
 *
 * The session is in sessionStorage: it ends with the page, and signing in again is silent.
 */
import { api } from './config.js'

/** Why a request failed: code is that of addcard's problem, or 'offline'. */
export class Failed extends Error {
  constructor(code) {
    super(code)
    this.code = code
  }
}

/** The page's address as WeChat signs it, and as addcard sends the browser back to it. */
export const pageAddress = () => location.href.split('#')[0]

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}

/** Leaves the page to sign in. The browser comes back to it with a session in the fragment. */
export function login() {
  const mark = random()
  sessionStorage.setItem('addcard.login', mark)
  const redirect = pageAddress() + '#login=' + mark
  location.replace(api + '/v1/oauth/start?redirect=' + encodeURIComponent(redirect))
  return new Promise(() => {}) // the page ends here
}

/**
 * Takes the session out of the address, if the browser has just come back with one. Only what this page has asked
 * for counts: a link can have the session of its sender.
 * @returns {string} why there is no session: '' before a login
 */
export function arrive() {
  const back = new URLSearchParams(location.hash.slice(1))
  if (!back.has('addcard_session') && !back.has('addcard_error')) return ''
  history.replaceState(null, '', pageAddress())
  const mark = sessionStorage.getItem('addcard.login')
  sessionStorage.removeItem('addcard.login')
  if (!mark || back.get('login') !== mark) return 'login_state_invalid'
  if (back.has('addcard_error')) return back.get('addcard_error')
  sessionStorage.setItem('addcard.session', back.get('addcard_session'))
  return ''
}

export const signedIn = () => sessionStorage.getItem('addcard.session') !== null

const patience = 15000 // milliseconds

async function send(method, path, body) {
  const leave = new AbortController()
  const timer = setTimeout(() => leave.abort(), patience)
  const headers = { 'Content-Type': 'application/json' }
  if (signedIn()) headers.Authorization = 'Bearer ' + sessionStorage.getItem('addcard.session')
  try {
    const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body), signal: leave.signal })
    const text = await answer.text()
    return { ok: answer.ok, json: text ? JSON.parse(text) : undefined }
  } catch (error) {
    throw new Failed('offline')
  } finally {
    clearTimeout(timer)
  }
}

/** Sends one request. Without a valid session it leaves the page to sign in. */
export async function request(method, path, body) {
  const answer = await send(method, path, body)
  if (answer.ok) return answer.json
  const code = (answer.json && answer.json.code) || 'internal'
  if (code !== 'session_invalid') throw new Failed(code)
  sessionStorage.removeItem('addcard.session')
  // Twice in a row would be for ever: a new session that does not work will not work the next time.
  if (sessionStorage.getItem('addcard.again')) throw new Failed(code)
  sessionStorage.setItem('addcard.again', '1')
  return login()
}

/** Says that the session works. */
export const worked = () => sessionStorage.removeItem('addcard.again')
