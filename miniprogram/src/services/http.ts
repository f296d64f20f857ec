/**
 * Makes requests to addcard: adds the base URL and the session, sets a time
 * limit, retries once after a 401, and turns every failure into an ApiError. No
 * other file calls wx.request.
 */
import { environment, requestTimeout } from '../config'
import type { Account, LoginOutputBody, Problem } from './api'
import { keepFor } from './memory'
import { currentToken, renewToken, type Renewed } from './session'
import { loginCode } from './wechat'

/** Error codes for failures that are not answers of the server. */
export type LocalCode = 'offline' | 'timeout' | 'login_failed' | 'tourist' | 'unexpected'
export type ErrorCode = Problem['code'] | LocalCode

/** The error of every failed request. Compare `code`. */
export class ApiError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    /** The HTTP status; 0 if there was no response. */
    readonly status = 0,
    /** Identifies the request in the server's log. Show it to the user. */
    readonly requestId = '',
    /** Seconds to wait before another attempt; 0 if the server did not say. */
    readonly retryAfter = 0,
  ) {
    super(`${code}: ${detail}`)
    this.name = 'ApiError'
  }

  /** Whether the server would refuse the same request again. An answer that is not the server's own is not final. */
  get final(): boolean {
    if (this.code === 'unexpected') return false
    return this.status >= 400 && this.status < 500 && ![401, 408, 429].includes(this.status)
  }
}

export interface Call {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  body?: object
}

/** The account from the last login's response, which saves the request for it. */
let fromLogin: Account | undefined

/** Makes sure that there is a session. If that took a login, returns the account. */
export async function signIn(): Promise<Account | undefined> {
  fromLogin = undefined
  if (!currentToken()) await renewToken('', login)
  return fromLogin
}

/** Makes a request as the signed-in member. */
export async function request<T>(call: Call): Promise<T> {
  const token = currentToken() || (await renewToken('', login))
  try {
    return await send<T>(call, token)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'session_invalid') throw error
    return send<T>(call, await renewToken(token, login))
  }
}

async function login(): Promise<Renewed> {
  const code = await loginCode().catch((error: unknown) => {
    throw new ApiError(
      'login_failed',
      String((error as WechatMiniprogram.GeneralCallbackResult)?.errMsg ?? error),
    )
  })
  const answer = await send<LoginOutputBody>({ method: 'POST', path: '/v1/session', body: { code } }).catch(
    (error: unknown) => {
      // DevTools without an AppID gives the text "the code is a mock one", which only the sandbox accepts.
      if (code.includes(' ') && error instanceof ApiError && error.code === 'login_code_invalid')
        throw new ApiError('tourist', code)
      throw error
    },
  )
  keepFor(answer.member.id, answer.member.phone ?? '')
  fromLogin = answer.member
  return { token: answer.token, expiresIn: answer.expires_in }
}

/** Makes a request, without a retry. wx.request calls success for every HTTP status. */
export function send<T>(call: Call, token?: string): Promise<T> {
  return new Promise((resolve, reject) => {
    wx.request({
      url: environment().baseUrl + call.path,
      method: call.method,
      // wx.request would put the data of a GET into the query.
      data: call.body as WechatMiniprogram.IAnyObject | undefined,
      header: {
        ...(call.body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      timeout: requestTimeout,
      success: ({ statusCode, data, header }) => {
        if (statusCode >= 200 && statusCode < 300) resolve(data as T)
        else reject(refusal(statusCode, data, header))
      },
      fail: ({ errMsg }) => {
        reject(new ApiError(/timed?[ _]?out/i.test(errMsg) ? 'timeout' : 'offline', errMsg))
      },
    })
  })
}

/** Reads problem+json. A proxy may have answered instead, with anything. */
function refusal(status: number, data: unknown, header: Record<string, string> = {}): ApiError {
  const problem = readProblem(data)
  const after = Object.entries(header).find(([name]) => name.toLowerCase() === 'retry-after')
  return new ApiError(
    problem?.code ?? 'unexpected',
    problem?.detail ?? `HTTP ${status}`,
    status,
    problem?.request_id ?? '',
    Number(after?.[1]) || 0,
  )
}

function readProblem(data: unknown): Problem | undefined {
  // wx.request parses application/json; only some phones also parse problem+json.
  let value = data
  if (typeof data === 'string') {
    try {
      value = JSON.parse(data) as unknown
    } catch {
      return undefined
    }
  }
  return typeof value === 'object' && value !== null && typeof (value as Problem).code === 'string'
    ? (value as Problem)
    : undefined
}
